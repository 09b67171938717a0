import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Concurrent clients whose history can be checked. Writers append transactions of random size to random partitions of one
 * topic and end some of them with an abort; copiers of one group copy it to another topic, with their offsets in the
 * transaction; readers read both from the beginning, again and again; a watcher looks at the group's offsets.
 * Each event is a line: nanoseconds, client, what, and more. Arguments: bootstrap, topic, seed, seconds, file.
 *
 * A transaction ends as `committed` or `aborted`, as the client was told so or knows that it never asked for a commit, or
 * as `unknown`. Readers say what they saw, also what isn't read_committed's to show.
 */
public class HistoryClient {
    static final int PARTITIONS = 3;
    static final int WRITERS = 4;
    static final int COPIERS = 2;
    static final int READERS = 2;
    static final int COMMIT_ATTEMPTS = 4;
    static final long HANGING_NS = 30_000_000_000L; // longer than any transaction may take
    static final Duration POLL = Duration.ofMillis(100);
    static String bootstrap;
    static String topic;
    static long seed;
    static PrintWriter history;
    static volatile boolean writing = true;
    static volatile boolean copying = true;
    static volatile boolean reading = true;
    static Map<TopicPartition, OffsetAndMetadata> copied = Collections.emptyMap(); // the offsets that the copiers have committed

    static void say(String client, Object... what) {
        StringBuilder line = new StringBuilder();
        for (Object one : what) line.append('\t').append(String.valueOf(one).replaceAll("[\\t\\n\\r]", " "));
        synchronized (history) {
            history.println(System.nanoTime() + "\t" + client + line);
        }
    }

    static Properties common(String id) {
        Properties all = new Properties();
        all.put("bootstrap.servers", bootstrap);
        all.put("client.id", id);
        // Short, so that a request that lies in the socket of a paused broker is sent again on another connection.
        all.put("request.timeout.ms", "1000");
        all.put("reconnect.backoff.max.ms", "200");
        all.put("retry.backoff.ms", "50");
        return all;
    }

    static KafkaProducer<String, String> producer(String id) {
        Properties all = common(id);
        all.put("transactional.id", id + "-" + topic);
        all.put("transaction.timeout.ms", "8000");
        all.put("delivery.timeout.ms", "4000");
        all.put("max.block.ms", "6000");
        all.put("linger.ms", "3");
        all.put("batch.size", "400");
        return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String id, String group) {
        Properties all = common(id);
        all.put("group.id", group);
        all.put("auto.offset.reset", "earliest");
        all.put("enable.auto.commit", "false");
        all.put("isolation.level", "read_committed");
        all.put("session.timeout.ms", "6000");
        all.put("heartbeat.interval.ms", "500");
        all.put("default.api.timeout.ms", "5000");
        all.put("max.poll.records", "20");
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    static List<TopicPartition> partitions(String of) {
        List<TopicPartition> all = new ArrayList<>();
        for (int i = 0; i < PARTITIONS; i++) all.add(new TopicPartition(of, i));
        return all;
    }

    /** A transactional producer that is made again whenever it can't go on, and numbers its transactions. */
    static class Transactions {
        final String id;
        final List<Sent> sent = new ArrayList<>();
        KafkaProducer<String, String> producer;
        int number;

        Transactions(String id) {
            this.id = id;
        }

        /** Until there is one that is initialised: from then on the last transaction's fate is sealed. */
        void renew() {
            while (true) {
                if (producer != null) producer.close(Duration.ZERO);
                producer = producer(id);
                try {
                    producer.initTransactions();
                    say(id, "init");
                    return;
                } catch (KafkaException failed) {
                    say(id, "init failed", failed);
                }
            }
        }

        interface Body {
            /** Fills the transaction; false: it is to be aborted. */
            boolean fill(int number) throws Exception;
        }

        /** Whether it was committed. */
        boolean run(Body body) {
            if (producer == null) renew();
            number++;
            boolean commit;
            try {
                producer.beginTransaction();
                say(id, "begin", number);
                commit = body.fill(number);
            } catch (Exception failed) {
                say(id, "failed", number, failed);
                commit = false;
            }
            boolean committed = commit ? commit() : abort();
            carryOver();
            return committed;
        }

        Sent send(String to, int partition, String value) {
            say(id, "send", number, partition, value);
            sent.add(new Sent(producer, number, to, partition, value));
            return sent.get(sent.size() - 1);
        }

        /**
         * An abort should end what was sent before it. But Kafka's client (3.9.2 and 4.3.1) asks whether there are records to
         * wait for before it takes the next request under its lock (Sender.maybeSendAndPollTransactionalRequest): of a record
         * sent and an abort called between the two it sees the abort only, and the record goes with the next transaction.
         */
        void carryOver() {
            for (Iterator<Sent> all = sent.iterator(); all.hasNext(); ) {
                Sent one = all.next();
                if (!one.future.isDone()) continue;
                all.remove();
                if (one.number != number) one.tellLate(id, number);
            }
        }

        boolean commit() {
            say(id, "commit", number);
            for (int attempt = 0; ; attempt++) {
                try {
                    producer.commitTransaction();
                    say(id, "committed", number);
                    return true;
                } catch (TimeoutException late) {
                    if (attempt < COMMIT_ATTEMPTS) continue;
                    say(id, "unknown", number, late);
                } catch (KafkaException failed) {
                    // It may be told so before or after the commit was sent; an abort that is allowed says that it wasn't.
                    say(id, "commit failed", number, failed);
                    try {
                        producer.abortTransaction();
                        say(id, "aborted", number);
                        return false;
                    } catch (KafkaException fatal) {
                        say(id, "unknown", number, fatal);
                    }
                }
                renew();
                return false;
            }
        }

        boolean abort() {
            try {
                producer.abortTransaction();
            } catch (KafkaException failed) {
                say(id, "abort failed", number, failed);
                renew();
            }
            say(id, "aborted", number);
            return false;
        }
    }

    static class Sent {
        final int number;
        final int partition;
        final String value;
        final Future<RecordMetadata> future;

        Sent(KafkaProducer<String, String> by, int number, String to, int partition, String value) {
            this.number = number;
            this.partition = partition;
            this.value = value;
            this.future = by.send(new ProducerRecord<>(to, partition, null, value));
        }

        void tell(String client, int number) throws Exception {
            say(client, "sent", number, partition, future.get().offset(), value);
        }

        /** It was sent in a later transaction than it was meant for, and is a part of that one. */
        void tellLate(String client, int later) {
            try {
                say(client, "carried", number, partition, value, later, future.get().offset());
            } catch (Exception failed) {
                say(client, "dropped", number, partition, value, later, failed);
            }
        }
    }

    static void write(int writer) {
        Random dice = new Random(seed * 1000 + writer);
        Transactions transactions = new Transactions("writer-" + writer);
        while (writing) {
            transactions.run(number -> {
                List<Sent> sent = new ArrayList<>();
                int count = 1 + dice.nextInt(6);
                boolean commit = dice.nextInt(4) != 0;
                boolean waits = dice.nextInt(3) == 0;
                for (int i = 0; i < count; i++) {
                    String value = transactions.id + "." + number + "." + i;
                    int partition = dice.nextInt(PARTITIONS);
                    sent.add(transactions.send(topic, partition, value));
                    if (dice.nextInt(10) == 0) Thread.sleep(dice.nextInt(30));
                }
                if (waits || commit) {
                    transactions.producer.flush();
                    for (Sent one : sent) one.tell(transactions.id, number);
                }
                return commit;
            });
        }
        transactions.producer.close();
        say(transactions.id, "done");
    }

    static void rewind(KafkaConsumer<String, String> consumer) {
        Set<TopicPartition> assigned = consumer.assignment();
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(assigned);
        for (TopicPartition one : assigned) {
            OffsetAndMetadata at = committed.get(one);
            consumer.seek(one, at == null ? 0 : at.offset());
        }
    }

    static boolean copyOnce(Transactions transactions, KafkaConsumer<String, String> consumer, Random dice) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        consumer.poll(POLL).forEach(records::add);
        if (records.isEmpty()) return true;
        return transactions.run(number -> {
            Map<TopicPartition, OffsetAndMetadata> positions = new TreeMap<>((a, b) -> a.partition() - b.partition());
            List<Sent> sent = new ArrayList<>();
            for (ConsumerRecord<String, String> record : records) {
                sent.add(transactions.send(topic + "-copy", record.partition(), record.value()));
                positions.put(new TopicPartition(topic, record.partition()), new OffsetAndMetadata(record.offset() + 1));
            }
            transactions.producer.sendOffsetsToTransaction(positions, consumer.groupMetadata());
            transactions.producer.flush();
            for (Sent one : sent) one.tell(transactions.id, number);
            positions.forEach((of, at) -> say(transactions.id, "offset", number, of.partition(), at.offset()));
            return dice.nextInt(5) != 0;
        });
    }

    static void copy(int copier) {
        Random dice = new Random(seed * 1000 + 100 + copier);
        Transactions transactions = new Transactions("copier-" + copier);
        while (copying) {
            try (KafkaConsumer<String, String> consumer = consumer(transactions.id, "copiers-" + topic)) {
                consumer.subscribe(Collections.singletonList(topic), new ConsumerRebalanceListener() {
                    @Override
                    public void onPartitionsRevoked(Collection<TopicPartition> gone) {
                    }

                    @Override
                    public void onPartitionsAssigned(Collection<TopicPartition> come) {
                        say(transactions.id, "assigned", come);
                    }
                });
                while (copying) {
                    if (!copyOnce(transactions, consumer, dice)) rewind(consumer);
                }
            } catch (Exception failed) {
                say(transactions.id, "consumer failed", failed);
            }
        }
        if (transactions.producer != null) transactions.producer.close();
        say(transactions.id, "done");
    }

    /** From the beginning of all partitions to where they end for now; again until the end. */
    static void read(int reader) throws Exception {
        for (int pass = 0; reading; pass++) {
            String id = "reader-" + reader + "-" + pass;
            String of = pass % 2 == 0 ? topic : topic + "-copy";
            try (KafkaConsumer<String, String> consumer = consumer(id, "readers-" + topic)) {
                List<TopicPartition> all = partitions(of);
                consumer.assign(all);
                consumer.seekToBeginning(all);
                long until = System.nanoTime() + 3_000_000_000L;
                while (reading && System.nanoTime() < until) {
                    for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                        say(id, "saw", of, record.partition(), record.offset(), record.value());
                    }
                }
            } catch (Exception failed) {
                say(id, "reader failed", failed);
            }
        }
    }

    static void watch() throws Exception {
        try (KafkaConsumer<String, String> consumer = consumer("watcher", "copiers-" + topic)) {
            while (copying) {
                try {
                    Map<TopicPartition, OffsetAndMetadata> committed =
                        consumer.committed(new java.util.HashSet<>(partitions(topic)));
                    committed.forEach((of, at) -> {
                        if (at != null) say("watcher", "committed offset", of.partition(), at.offset());
                    });
                } catch (KafkaException failed) {
                    say("watcher", "failed", failed);
                }
                Thread.sleep(100);
            }
        }
    }

    /** What is there in the end, once nothing is open any more; and all of it, aborted as well. */
    static void readAll(String of) throws Exception {
        long until = System.nanoTime() + HANGING_NS;
        while (true) {
            try (KafkaConsumer<String, String> consumer = consumer("last", "readers-" + topic)) {
                List<TopicPartition> all = partitions(of);
                consumer.assign(all);
                Properties plain = common("ends");
                plain.put("isolation.level", "read_uncommitted");
                Map<TopicPartition, Long> ends;
                try (KafkaConsumer<String, String> other =
                         new KafkaConsumer<>(plain, new StringDeserializer(), new StringDeserializer())) {
                    ends = other.endOffsets(all);
                }
                Map<TopicPartition, Long> stable = consumer.endOffsets(all);
                if (!stable.equals(ends)) {
                    if (System.nanoTime() < until) {
                        Thread.sleep(100);
                        continue;
                    }
                    say("last", "hanging", of, stable);
                }
                consumer.seekToBeginning(all);
                List<Object[]> seen = new ArrayList<>();
                while (all.stream().anyMatch(one -> consumer.position(one) < stable.get(one))) {
                    for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                        seen.add(new Object[] {"final", of, record.partition(), record.offset(), record.value()});
                    }
                }
                for (Object[] one : seen) say("last", one);
                ends.forEach((partition, end) -> say("last", "end", of, partition.partition(), end));
                return;
            } catch (KafkaException failed) {
                say("last", "failed", failed);
            }
        }
    }

    static boolean copiedAll(AdminClient admin) throws Exception {
        try (KafkaConsumer<String, String> consumer = consumer("ends", "readers-" + topic)) {
            copied = admin.listConsumerGroupOffsets("copiers-" + topic).partitionsToOffsetAndMetadata().get();
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions(topic));
            // A marker at the end is passed by without a commit, so that the records before it have to do.
            for (TopicPartition one : partitions(topic)) {
                OffsetAndMetadata at = copied.get(one);
                consumer.assign(Collections.singletonList(one));
                consumer.seek(one, at == null ? 0 : at.offset());
                while (consumer.position(one) < ends.get(one)) {
                    if (!consumer.poll(POLL).isEmpty()) return false;
                }
            }
            return true;
        } catch (KafkaException | java.util.concurrent.ExecutionException failed) {
            say("last", "failed", failed);
            return false;
        }
    }

    interface Work {
        void run() throws Exception;
    }

    static Thread start(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (Throwable failed) {
                say("client", "broken", failed);
                failed.printStackTrace();
                System.exit(1);
            }
        });
        thread.start();
        return thread;
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        topic = arguments[1];
        seed = Long.parseLong(arguments[2]);
        long milliseconds = (long) (Double.parseDouble(arguments[3]) * 1000);
        history = new PrintWriter(Files.newBufferedWriter(Paths.get(arguments[4]), StandardCharsets.UTF_8), false);
        Map<String, Object> settings = new HashMap<>();
        common("admin").forEach((key, value) -> settings.put((String) key, value));
        try (AdminClient admin = AdminClient.create(settings)) {
            admin.createTopics(List.of(new NewTopic(topic, PARTITIONS, (short) 1), new NewTopic(topic + "-copy", PARTITIONS, (short) 1)))
                .all().get();
            List<Thread> writers = new ArrayList<>();
            List<Thread> others = new ArrayList<>();
            for (int i = 0; i < WRITERS; i++) {
                int number = i;
                writers.add(start(() -> write(number)));
            }
            List<Thread> copiers = new ArrayList<>();
            for (int i = 0; i < COPIERS; i++) {
                int number = i;
                copiers.add(start(() -> copy(number)));
            }
            for (int i = 0; i < READERS; i++) {
                int number = i;
                others.add(start(() -> read(number)));
            }
            copiers.add(start(HistoryClient::watch));
            System.out.println("running");
            Thread.sleep(milliseconds);
            writing = false;
            for (Thread one : writers) one.join();
            System.out.println("written");
            long until = System.nanoTime() + HANGING_NS;
            Map<TopicPartition, OffsetAndMetadata> before = copied;
            while (!copiedAll(admin)) {
                if (!copied.equals(before)) { // they hang if they get no further, not if they have much to copy
                    before = copied;
                    until = System.nanoTime() + HANGING_NS;
                }
                if (System.nanoTime() > until) {
                    say("last", "hanging", topic, "copiers");
                    break;
                }
                Thread.sleep(100);
            }
            copying = false;
            for (Thread one : copiers) one.join();
            reading = false;
            for (Thread one : others) one.join();
        }
        readAll(topic);
        readAll(topic + "-copy");
        history.close();
        System.out.println("done");
        System.exit(0);
    }
}
