import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Groups of stock consumers with group.protocol=consumer: argv = bootstrap, scenario. Every expectation was checked against
 * Kafka 4.3.1. `hold` stays in its group and tells what happens to it, until its standard input ends.
 */
class ConsumerGroupClient {
    static String bootstrap;
    static Admin admin;

    static void check(boolean condition, String what) {
        if (!condition) throw new IllegalStateException("not so: " + what);
    }

    static void await(String what, BooleanSupplier condition) throws Exception {
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) throw new IllegalStateException("waited in vain for " + what);
            Thread.sleep(20);
        }
    }

    static Map<String, Object> settings(String group, String... more) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", group, "group.protocol",
            "consumer", "auto.offset.reset", "earliest", "enable.auto.commit", "false", "metadata.max.age.ms", "1000"));
        for (int i = 0; i < more.length; i += 2) all.put(more[i], more[i + 1]);
        return all;
    }

    /** One consumer that reads and commits. A topic that begins with '~' is a regular expression for the server. */
    static class Member extends Thread {
        final Consumer<String, String> consumer;
        final BlockingQueue<ConsumerRecord<String, String>> read = new LinkedBlockingQueue<>();
        volatile Set<TopicPartition> assignment = Set.of();
        volatile String identity = "";
        volatile Throwable failure;
        volatile boolean stopping;
        volatile boolean mayMissCommits;  // amid a rebalance of the classic protocol; then the next commit counts

        Member(String group, List<String> topics, String... more) throws Exception {
            consumer = new KafkaConsumer<>(settings(group, more), new StringDeserializer(), new StringDeserializer());
            if (topics.get(0).startsWith("~")) {
                Class<?> pattern = Class.forName("org.apache.kafka.clients.consumer.SubscriptionPattern");
                Object value = pattern.getConstructor(String.class).newInstance(topics.get(0).substring(1));
                Consumer.class.getMethod("subscribe", pattern).invoke(consumer, value);
            } else {
                consumer.subscribe(topics);
            }
            start();
        }

        @Override
        public void run() {
            try (consumer) {
                while (!stopping) {
                    int count = 0;
                    for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(50))) {
                        read.add(record);
                        ++count;
                    }
                    if (count > 0) commit();
                    identity = consumer.groupMetadata().memberId() + " in epoch " + consumer.groupMetadata().generationId();
                    assignment = new HashSet<>(consumer.assignment());
                }
            } catch (WakeupException asked) {
                // ends
            } catch (Throwable failed) {
                failure = failed;
            }
        }

        void commit() {
            try {
                consumer.commitSync();
            } catch (RebalanceInProgressException | CommitFailedException missed) {
                if (!mayMissCommits) throw missed;
            }
        }

        void end() throws Exception {
            stopping = true;
            join();
            check(failure == null, "a quiet end, but " + failure);
        }
    }

    static void create(String topic, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
    }

    static void send(String topic, int partitions, int count) throws Exception {
        Map<String, Object> with = Map.of("bootstrap.servers", bootstrap, "linger.ms", "5");
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(with, new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < count; ++i) producer.send(new ProducerRecord<>(topic, i % partitions, "k", topic + "-" + i));
        }
    }

    /** Each member has `shares` partitions, in any order; together they have all, and none twice. */
    static void awaitShares(int total, List<Member> members, int... shares) throws Exception {
        Arrays.sort(shares);
        await("shares " + Arrays.toString(shares), () -> {
            Set<TopicPartition> all = new HashSet<>();
            int[] sizes = new int[members.size()];
            for (int i = 0; i < sizes.length; ++i) {
                Member member = members.get(i);
                if (member.failure != null) throw new IllegalStateException(member.failure);
                sizes[i] = member.assignment.size();
                all.addAll(member.assignment);
            }
            Arrays.sort(sizes);
            return all.size() == total && Arrays.equals(sizes, shares);
        });
    }

    static long committed(String group) throws Exception {
        long sum = 0;
        for (OffsetAndMetadata one : admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().values()) {
            sum += one.offset();
        }
        return sum;
    }

    static ConsumerGroupDescription describe(String group) throws Exception {
        return admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get();
    }

    static void comeAndGo() throws Exception {
        create("uniform", 6);
        send("uniform", 6, 600);
        List<Member> members = new ArrayList<>();
        members.add(new Member("uniform-group", List.of("uniform")));
        awaitShares(6, members, 6);
        members.add(new Member("uniform-group", List.of("uniform")));
        awaitShares(6, members, 3, 3);
        Set<TopicPartition> first = members.get(0).assignment;
        members.add(new Member("uniform-group", List.of("uniform")));
        awaitShares(6, members, 2, 2, 2);
        check(first.containsAll(members.get(0).assignment), "nothing moved that didn't have to");
        send("uniform", 6, 600);
        await("all records", () -> members.stream().mapToInt(member -> member.read.size()).sum() == 1200);
        ConsumerGroupDescription group = describe("uniform-group");
        check(group.members().size() == 3 && group.state().toString().equals("Stable"), "a stable group: " + group);
        check(group.partitionAssignor().equals("uniform") && group.type().toString().equals("Consumer"), "its kind: " + group);
        members.remove(1).end();
        awaitShares(6, members, 3, 3);
        for (Member member : members) member.end();
        check(committed("uniform-group") == 1200, "all commits");
        check(describe("uniform-group").state().toString().equals("Empty"), "an empty group");
    }

    static void range() throws Exception {
        create("left", 4);
        create("right", 4);
        String[] with = {"group.remote.assignor", "range"};
        List<Member> members = new ArrayList<>();
        for (int i = 0; i < 2; ++i) members.add(new Member("range-group", List.of("left", "right"), with));
        awaitShares(8, members, 4, 4);
        for (Member member : members) {
            Set<Integer> left = new TreeSet<>(), right = new TreeSet<>();
            for (TopicPartition one : member.assignment) (one.topic().equals("left") ? left : right).add(one.partition());
            check(left.equals(right) && left.size() == 2, "topics are split alike: " + member.assignment);
        }
        check(describe("range-group").partitionAssignor().equals("range"), "the assignor");
        for (Member member : members) member.end();
    }

    static void staticMembers() throws Exception {
        create("fixed", 4);
        Member one = new Member("static-group", List.of("fixed"), "group.instance.id", "one");
        Member two = new Member("static-group", List.of("fixed"), "group.instance.id", "two");
        awaitShares(4, List.of(one, two), 2, 2);
        Set<TopicPartition> had = one.assignment, others = two.assignment;
        Member usurper = new Member("static-group", List.of("fixed"), "group.instance.id", "one");
        await("a refusal", () -> usurper.failure != null);
        check(usurper.failure.getClass().getSimpleName().equals("UnreleasedInstanceIdException"), "unreleased: " + usurper.failure);
        one.end();
        Thread.sleep(1500);
        check(two.assignment.equals(others), "what a static member had waits for it");
        Member back = new Member("static-group", List.of("fixed"), "group.instance.id", "one");
        await("the old assignment", () -> back.assignment.equals(had));
        check(two.assignment.equals(others), "nobody else noticed");
        back.end();
        two.end();
        check(describe("static-group").members().size() == 2, "static members stay until their session ends");
    }

    static void regex() throws Exception {
        create("re-one", 1);
        create("other", 1);
        Member member = new Member("regex-group", List.of("~re-.*"));
        awaitShares(1, List.of(member), 1);
        create("re-two", 2);
        send("re-two", 2, 10);
        awaitShares(3, List.of(member), 3);
        await("the new topic's records", () -> member.read.size() == 10);
        member.end();
        Member wrong = new Member("regex-group", List.of("~re-("));
        await("a refusal", () -> wrong.failure != null);
        check(wrong.failure.getClass().getSimpleName().equals("InvalidRegularExpression"), "refused: " + wrong.failure);
    }

    static Member rolling(String protocol) throws Exception {
        String[] classic = {"group.protocol", "classic", "heartbeat.interval.ms", "300", "session.timeout.ms", "10000"};
        String[] newer = {"group.protocol", "consumer"};
        Member member = new Member("rolling-group", List.of("rolling"), protocol.equals("classic") ? classic : newer);
        member.mayMissCommits = true;
        return member;
    }

    static void checkType(String wanted) throws Exception {
        ConsumerGroupDescription group = describe("rolling-group");
        check(group.type().toString().equals(wanted), "a group of type " + wanted + ": " + group);
        check(group.members().size() == 3, "of three members: " + group);
        String listed = admin.listConsumerGroups().all().get().stream().filter(one -> one.groupId().equals("rolling-group"))
            .map(one -> one.type().get().toString()).findFirst().orElse("none");
        check(listed.equals(wanted), "listed as " + wanted + ": " + listed);
    }

    /** Three members change from the classic protocol to the newer one, one by one, and back, while records flow. */
    static void roll() throws Exception {
        int partitions = 6;
        create("rolling", partitions);
        Set<String> sent = ConcurrentHashMap.newKeySet();
        AtomicBoolean enough = new AtomicBoolean();
        Thread sender = new Thread(() -> {
            Map<String, Object> with = Map.of("bootstrap.servers", bootstrap, "linger.ms", "5");
            StringSerializer text = new StringSerializer();
            try (KafkaProducer<String, String> producer = new KafkaProducer<>(with, text, text)) {
                for (int i = 0; !enough.get(); ++i) {
                    String value = "rolling-" + i;
                    producer.send(new ProducerRecord<>("rolling", i % partitions, "k", value)).get();
                    sent.add(value);
                    Thread.sleep(2);
                }
            } catch (Exception failed) {
                throw new IllegalStateException(failed);
            }
        });
        sender.start();
        List<Member> members = new ArrayList<>(), all = new ArrayList<>();
        for (int i = 0; i < 3; ++i) members.add(rolling("classic"));
        all.addAll(members);
        awaitShares(partitions, members, 2, 2, 2);
        checkType("Classic");
        for (String protocol : List.of("consumer", "classic")) {
            for (int i = 0; i < 3; ++i) {
                members.remove(0).end();
                members.add(rolling(protocol));
                all.add(members.get(2));
                awaitShares(partitions, members, 2, 2, 2);
                checkType(protocol.equals("classic") && i == 2 ? "Classic" : "Consumer");
            }
        }
        enough.set(true);
        sender.join();
        await("every record", () -> {
            Set<String> read = new HashSet<>();
            for (Member member : all) member.read.forEach(record -> read.add(record.value()));
            return read.equals(sent);
        });
        awaitShares(partitions, members, 2, 2, 2);
        await("all commits", () -> {
            try {
                return committed("rolling-group") == sent.size();
            } catch (Exception failed) {
                throw new IllegalStateException(failed);
            }
        });
        for (Member member : members) member.end();
        int read = all.stream().mapToInt(member -> member.read.size()).sum();
        System.out.println(sent.size() + " records, " + (read - sent.size()) + " of them twice");
    }

    /** A line for each change of what it has, with its member id and epoch, and for each batch that it committed. */
    static void hold(String group, String topic) throws Exception {
        Member member = new Member(group, List.of(topic));
        Thread ear = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
            } catch (java.io.IOException gone) {
                // ends
            }
            member.stopping = true;
        });
        ear.setDaemon(true);
        ear.start();
        Set<TopicPartition> told = Set.of();
        int read = 0;
        while (member.isAlive()) {
            int size = member.read.size(); // looked at first, so that "has" is told before "read" of what came with it
            if (!member.assignment.equals(told)) {
                told = member.assignment;
                System.out.println("has " + told.size() + " as " + member.identity);
            }
            if (size != read) {
                read = size;
                System.out.println("read " + read);
            }
            Thread.sleep(50);
        }
        System.out.println("ended " + member.failure);
    }

    public static void main(String[] argv) throws Exception {
        bootstrap = argv[0];
        try (Admin made = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin = made;
            if (argv[1].equals("hold")) {
                hold(argv[2], argv[3]);
                return;
            }
            for (int i = 1; i < argv.length; ++i) {
                long began = System.nanoTime();
                switch (argv[i]) {
                    case "come-and-go": comeAndGo(); break;
                    case "range": range(); break;
                    case "static": staticMembers(); break;
                    case "regex": regex(); break;
                    case "roll": roll(); break;
                    default: throw new IllegalArgumentException(argv[i]);
                }
                System.out.println(argv[i] + " done in " + (System.nanoTime() - began) / 1_000_000 + " ms");
            }
        }
    }
}
