import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.FenceProducersResult;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Transactions as programs use them: committed, aborted, fenced, timed out, with offsets of a consumer group.
 * Arguments: bootstrap servers, label.
 */
public class TransactionClient {
    static final int PARTITIONS = 3;
    static final Duration POLL = Duration.ofMillis(200);
    static String bootstrap;
    static String label;

    static void check(boolean condition, String what) {
        if (!condition) throw new IllegalStateException("not so: " + what);
    }

    static KafkaProducer<String, String> producer(String id, String... pairs) {
        Properties all = new Properties();
        all.put("bootstrap.servers", bootstrap);
        all.put("transactional.id", id + "-" + label);
        all.put("linger.ms", "2");
        for (int i = 0; i < pairs.length; i += 2) all.put(pairs[i], pairs[i + 1]);
        KafkaProducer<String, String> producer = new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
        producer.initTransactions();
        return producer;
    }

    static KafkaConsumer<String, String> consumer(String group, String isolation) {
        Properties all = new Properties();
        all.put("bootstrap.servers", bootstrap);
        all.put("group.id", group);
        all.put("auto.offset.reset", "earliest");
        all.put("enable.auto.commit", "false");
        all.put("isolation.level", isolation);
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    static List<TopicPartition> partitions(String topic) {
        List<TopicPartition> all = new ArrayList<>();
        for (int i = 0; i < PARTITIONS; i++) all.add(new TopicPartition(topic, i));
        return all;
    }

    static long sum(Map<TopicPartition, Long> offsets) {
        return offsets.values().stream().mapToLong(Long::longValue).sum();
    }

    /** The values from the beginning to what the isolation level calls the end. */
    static List<String> read(String topic, String isolation) {
        List<String> values = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = consumer("reader-" + label, isolation)) {
            List<TopicPartition> all = partitions(topic);
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            while (all.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
                for (ConsumerRecord<String, String> record : consumer.poll(POLL)) values.add(record.value());
            }
        }
        Collections.sort(values);
        return values;
    }

    static AdminClient admin() {
        return AdminClient.create(Collections.singletonMap("bootstrap.servers", (Object) bootstrap));
    }

    static String topic(String name) throws Exception {
        String topic = name + "-" + label;
        try (AdminClient admin = admin()) {
            admin.createTopics(Collections.singletonList(new NewTopic(topic, PARTITIONS, (short) 1))).all().get();
        }
        return topic;
    }

    static void send(KafkaProducer<String, String> producer, String topic, String value, int count) {
        for (int i = 0; i < count; i++) producer.send(new ProducerRecord<>(topic, i % PARTITIONS, "k", value));
    }

    static void commitAndAbort() throws Exception {
        String topic = topic("txn-basic");
        List<String> committed = new ArrayList<>();
        int all = 0;
        try (KafkaProducer<String, String> producer = producer("basic")) {
            for (int i = 0; i < 20; i++) {
                String value = String.format("t%02d", i);
                producer.beginTransaction();
                send(producer, topic, value, 5);
                all += 5;
                if (i % 3 == 2) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                    committed.addAll(Collections.nCopies(5, value));
                }
            }
            producer.beginTransaction();
            producer.commitTransaction();
            producer.beginTransaction();
            producer.abortTransaction();
        }
        check(read(topic, "read_committed").equals(committed), "read_committed sees what was committed, once");
        check(read(topic, "read_uncommitted").size() == all, "read_uncommitted sees all");
    }

    static void lastStableOffset() throws Exception {
        String topic = topic("txn-stable");
        try (KafkaProducer<String, String> open = producer("open"); KafkaProducer<String, String> other = producer("other");
             KafkaConsumer<String, String> committed = consumer("stable-" + label, "read_committed");
             KafkaConsumer<String, String> uncommitted = consumer("stable-" + label, "read_uncommitted")) {
            open.beginTransaction();
            send(open, topic, "open", 3);
            open.flush();
            other.beginTransaction();
            send(other, topic, "other", 6);
            other.commitTransaction();
            List<TopicPartition> all = partitions(topic);
            check(sum(committed.endOffsets(all)) == 0, "an open transaction holds the last stable offset");
            check(sum(uncommitted.endOffsets(all)) == 3 + 6 + PARTITIONS, "high watermark");
            check(read(topic, "read_committed").isEmpty(), "nothing is stable");
            // A consumer that waits is woken by the marker.
            committed.assign(all);
            check(committed.poll(Duration.ZERO).isEmpty(), "nothing to read yet");
            open.abortTransaction();
            int seen = 0;
            while (seen < 6) {
                for (ConsumerRecord<String, String> record : committed.poll(POLL)) {
                    check(record.value().equals("other"), "nothing aborted is seen");
                    seen++;
                }
            }
            check(sum(committed.endOffsets(all)) == 3 + 6 + 2 * PARTITIONS, "all is stable");
        }
    }

    static boolean tellsSo(Throwable failed) {
        // With transactions v2 the coordinator's own abort looks like the producer's: there is nothing to commit.
        return failed instanceof ProducerFencedException || failed instanceof InvalidProducerEpochException
            || failed instanceof InvalidTxnStateException;
    }

    /** Runs it and tells whether the producer was told that another one has its id, or that its transaction is over. */
    static boolean fenced(Runnable action) {
        try {
            action.run();
            return false;
        } catch (KafkaException failed) {
            if (tellsSo(failed) || tellsSo(failed.getCause())) return true;
            throw failed;
        }
    }

    static void zombie() throws Exception {
        String topic = topic("txn-zombie");
        KafkaProducer<String, String> zombie = producer("zombie");
        zombie.beginTransaction();
        send(zombie, topic, "zombie", 3);
        zombie.flush();
        try (KafkaProducer<String, String> heir = producer("zombie")) {
            check(read(topic, "read_committed").isEmpty(), "the zombie's transaction is aborted by its heir");
            check(fenced(() -> {
                send(zombie, topic, "late", 3);
                zombie.commitTransaction();
            }), "the zombie is fenced");
            heir.beginTransaction();
            send(heir, topic, "heir", 3);
            heir.commitTransaction();
        }
        zombie.close(Duration.ZERO);
        check(read(topic, "read_committed").equals(Arrays.asList("heir", "heir", "heir")), "only the heir's records");
    }

    static void offsets() throws Exception {
        String input = topic("txn-input");
        String output = topic("txn-output");
        try (KafkaProducer<String, String> producer = producer("source")) {
            producer.beginTransaction();
            send(producer, input, "in", 30);
            producer.commitTransaction();
        }
        int turns = 0;
        try (KafkaProducer<String, String> producer = producer("copier");
             KafkaConsumer<String, String> consumer = consumer("copiers-" + label, "read_committed")) {
            consumer.subscribe(Collections.singletonList(input));
            int copied = 0;
            while (copied < 30) {
                List<ConsumerRecord<String, String>> records = new ArrayList<>();
                consumer.poll(POLL).forEach(records::add);
                if (records.isEmpty()) continue;
                Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
                producer.beginTransaction();
                for (ConsumerRecord<String, String> record : records) {
                    producer.send(new ProducerRecord<>(output, record.partition(), "k", "copy-" + record.offset()));
                    positions.put(new TopicPartition(input, record.partition()),
                        new OffsetAndMetadata(record.offset() + 1, "turn " + turns));
                }
                producer.sendOffsetsToTransaction(positions, consumer.groupMetadata());
                if (turns++ == 0) {  // once in vain
                    producer.abortTransaction();
                    check(consumer.committed(positions.keySet()).values().stream().allMatch(one -> one == null),
                        "offsets of an aborted transaction don't count");
                    for (TopicPartition partition : positions.keySet()) {
                        consumer.seekToBeginning(Collections.singletonList(partition));
                    }
                    continue;
                }
                producer.commitTransaction();
                Map<TopicPartition, OffsetAndMetadata> stored = consumer.committed(positions.keySet());
                check(stored.equals(positions), "offsets of a committed transaction count at once: " + stored);
                copied += records.size();
            }
        }
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < 10; i++) expected.addAll(Collections.nCopies(PARTITIONS, "copy-" + i));
        Collections.sort(expected);
        check(read(output, "read_committed").equals(expected), "each record is copied once");
    }

    static void timeout() throws Exception {
        String topic = topic("txn-timeout");
        KafkaProducer<String, String> slow = producer("slow", "transaction.timeout.ms", "1000");
        slow.beginTransaction();
        send(slow, topic, "slow", 3);
        slow.flush();
        try (KafkaConsumer<String, String> consumer = consumer("timeout-" + label, "read_committed")) {
            while (sum(consumer.endOffsets(partitions(topic))) < 3 + PARTITIONS) Thread.sleep(50);
        }
        check(read(topic, "read_committed").isEmpty(), "the coordinator aborts what takes too long");
        check(fenced(slow::commitTransaction), "and fences who started it");
        slow.close(Duration.ZERO);
    }

    /** KIP-588's way to end what a producer that hangs has begun. */
    static void fencedByAdmin() throws Exception {
        String topic = topic("txn-fenced");
        String id = "fenced-" + label;
        KafkaProducer<String, String> victim = producer("fenced");
        victim.beginTransaction();
        send(victim, topic, "fenced", 3);
        victim.flush();
        try (AdminClient admin = admin()) {
            FenceProducersResult result = admin.fenceProducers(Arrays.asList(id, "nobody-" + label));
            result.all().get();
            check(result.epochId(id).get() > 0, "its epoch is a later one");
            check(result.epochId("nobody-" + label).get() == 0, "an id that nobody had is made");
            check(!result.producerId(id).get().equals(result.producerId("nobody-" + label).get()), "two producer ids");
        }
        check(read(topic, "read_committed").isEmpty(), "what it had begun is aborted");
        check(fenced(() -> {
            send(victim, topic, "late", 3);
            victim.commitTransaction();
        }), "the producer is fenced");
        victim.close(Duration.ZERO);
        check(read(topic, "read_committed").isEmpty(), "and nothing comes later");
    }

    static void pollUntilStable(AdminClient admin, String group, List<KafkaConsumer<String, String>> consumers) throws Exception {
        while (true) {
            for (KafkaConsumer<String, String> one : consumers) one.poll(Duration.ofMillis(50));
            ConsumerGroupDescription described = admin.describeConsumerGroups(Collections.singletonList(group)).all().get().get(group);
            if (described.state().toString().equals("Stable") && described.members().size() == consumers.size()) return;
        }
    }

    static int size(AdminClient admin, String group) throws Exception {
        return admin.describeConsumerGroups(Collections.singletonList(group)).all().get().get(group).members().size();
    }

    /** A static member by its name, then all that are left. */
    static void removedByAdmin() throws Exception {
        String topic = topic("removed");
        String group = "removed-" + label;
        Properties fixed = new Properties();
        fixed.put("bootstrap.servers", bootstrap);
        fixed.put("group.id", group);
        fixed.put("group.instance.id", "i");
        try (AdminClient admin = admin();
             KafkaConsumer<String, String> first = new KafkaConsumer<>(fixed, new StringDeserializer(), new StringDeserializer());
             KafkaConsumer<String, String> second = consumer(group, "read_committed")) {
            first.subscribe(Collections.singletonList(topic));
            second.subscribe(Collections.singletonList(topic));
            pollUntilStable(admin, group, Arrays.asList(first, second));
            try {
                admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(
                    Collections.singletonList(new MemberToRemove("none-such")))).all().get();
                check(false, "a member that isn't there is removed");
            } catch (ExecutionException failed) {
                check(failed.getCause() instanceof UnknownMemberIdException, "unknown: " + failed.getCause());
            }
            RemoveMembersFromConsumerGroupOptions one =
                new RemoveMembersFromConsumerGroupOptions(Collections.singletonList(new MemberToRemove("i")));
            one.reason("test of " + label);
            admin.removeMembersFromConsumerGroup(group, one).all().get();
            check(size(admin, group) == 1, "one is left");
            pollUntilStable(admin, group, Arrays.asList(first, second));
            admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions()).all().get();
            check(size(admin, group) == 0, "nobody is left");
        }
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        label = arguments[1];
        commitAndAbort();
        lastStableOffset();
        zombie();
        offsets();
        timeout();
        fencedByAdmin();
        removedByAdmin();
        System.out.println("transactions done");
        System.exit(0);
    }
}
