import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Every assignor of Java's consumer, each in a group of its own and all at the same time: argv = bootstrap, label of the topics and
 * groups, names of assignors. Members come and go while records flow. No partition ever has two owners, and each has one when the
 * group is stable; what each member then has is printed. Each record is read, and the committed offsets are the logs' ends at last.
 */
class AssignorClient {
    static final int LEFT = 7, RIGHT = 5;

    static String bootstrap, label;
    static Admin admin;
    static KafkaProducer<String, String> producer;

    interface Condition {
        boolean holds() throws Exception;
    }

    /**
     * One group. Names of classic assignors are those of their classes, "remote-NAME" is the server's assignor NAME. "upgrade" changes from
     * RangeAssignor to CooperativeStickyAssignor in two rounds, as KIP-429 has it; "static" restarts static members (KIP-345).
     */
    static class Group extends Thread {
        final String assignor, id, left, right;
        final boolean remote;
        final List<TopicPartition> partitions = new ArrayList<>();
        final Map<TopicPartition, String> owners = new ConcurrentHashMap<>();
        final Set<String> sent = ConcurrentHashMap.newKeySet(), read = ConcurrentHashMap.newKeySet();
        final TreeMap<String, Member> members = new TreeMap<>();
        final List<String> told = new ArrayList<>();
        Map<TopicPartition, String> before = Map.of();
        int generation;
        volatile boolean enough;
        volatile Throwable failure;

        Group(String assignor) {
            super(assignor);
            this.assignor = assignor;
            remote = assignor.startsWith("remote-");
            id = label + "-" + assignor;
            left = id + "-left";
            right = id + "-right";
            for (int i = 0; i < LEFT; ++i) partitions.add(new TopicPartition(left, i));
            for (int i = 0; i < RIGHT; ++i) partitions.add(new TopicPartition(right, i));
        }

        Map<String, Object> settings(String member) {
            Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", id, "client.id", member,
                "auto.offset.reset", "earliest", "enable.auto.commit", "false"));
            if (remote) {
                all.putAll(Map.of("group.protocol", "consumer", "group.remote.assignor", assignor.substring(7)));
            } else {
                String strategies = Stream.of(strategies(member)).map("org.apache.kafka.clients.consumer."::concat).collect(Collectors.joining(","));
                all.putAll(Map.of("heartbeat.interval.ms", "100", "session.timeout.ms", "10000", "partition.assignment.strategy", strategies));
                if (assignor.equals("static")) all.put("group.instance.id", member);
            }
            return all;
        }

        String[] strategies(String member) {
            String range = "RangeAssignor", cooperative = "CooperativeStickyAssignor";
            if (assignor.equals("static") || member.endsWith("1")) return new String[] {range};
            if (member.endsWith("2")) return new String[] {cooperative, range};
            return new String[] {member.endsWith("3") ? cooperative : assignor};
        }

        /** One consumer. Member ids begin with the client id: that is the order in which the classic assignors take them. */
        class Member extends Thread implements ConsumerRebalanceListener {
            final KafkaConsumer<String, String> consumer;
            volatile Set<TopicPartition> assignment = Set.of();
            volatile int generation;
            volatile boolean stopping;

            Member(String name) {
                super(name);
                consumer = new KafkaConsumer<>(settings(name), new StringDeserializer(), new StringDeserializer());
                consumer.subscribe(List.of(left, right), this);
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> added) {
                for (TopicPartition one : added) {
                    String other = owners.putIfAbsent(one, getName());
                    if (other != null) failed(new IllegalStateException(one + " is " + other + "'s, and " + getName() + " has it too"));
                }
            }

            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> taken) {
                for (TopicPartition one : taken) owners.remove(one, getName());
            }

            @Override
            public void run() {
                try (consumer) {
                    boolean uncommitted = false;
                    while (!stopping) {
                        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(50))) {
                            read.add(record.value());
                            uncommitted = true;
                        }
                        if (uncommitted) uncommitted = !commit();
                        generation = consumer.groupMetadata().generationId();
                        assignment = new HashSet<>(consumer.assignment());
                    }
                } catch (Throwable unexpected) {
                    failed(unexpected);
                }
            }

            /** A commit may come amid a rebalance of the classic protocol; then the next one counts. */
            boolean commit() {
                try {
                    consumer.commitSync();
                    return true;
                } catch (RebalanceInProgressException | CommitFailedException missed) {
                    return false;
                }
            }
        }

        void failed(Throwable error) {
            if (failure == null) failure = error;
        }

        void await(String what, Condition condition) throws Exception {
            long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (!condition.holds()) {
                if (failure != null) throw new IllegalStateException(failure);
                if (System.nanoTime() > end) throw new IllegalStateException("waited in vain for " + what + "; owners: " + owners);
                Thread.sleep(20);
            }
        }

        void join(String name) {
            members.put(name, new Member(name));
            members.get(name).start();
        }

        void leave(String name) throws Exception {
            Member member = members.remove(name);
            member.stopping = true;
            member.join();
        }

        ConsumerGroupDescription described() throws Exception {
            return admin.describeConsumerGroups(List.of(id)).describedGroups().get(id).get();
        }

        /** The group is stable, and the coordinator's view is that of the members. */
        boolean stable() throws Exception {
            ConsumerGroupDescription group;
            try {
                group = described();
            } catch (ExecutionException early) {
                if (early.getCause() instanceof GroupIdNotFoundException) return false;
                throw early;
            }
            if (!group.state().toString().equals("Stable") || group.members().size() != members.size()) return false;
            int total = 0;
            for (MemberDescription one : group.members()) {
                Member member = members.get(one.clientId());
                if (member == null || !one.assignment().topicPartitions().equals(member.assignment)) return false;
                total += member.assignment.size();
            }
            return total == partitions.size() && owners.keySet().equals(new HashSet<>(partitions));
        }

        String numbers(Member member, String topic) {
            return new TreeSet<>(member.assignment.stream().filter(one -> one.topic().equals(topic)).map(TopicPartition::partition)
                .collect(Collectors.toSet())).toString();
        }

        /**
         * What each has, and how much moved that didn't have to. Ids of members of the newer protocol are random: what the server's
         * assignors give is told without names, and who gets which share by range is chance.
         */
        void tell() throws Exception {
            await(members.size() + " members", this::stable);
            String which = "";
            if (assignor.equals("upgrade")) which = " by " + described().partitionAssignor();
            if (assignor.equals("static")) {
                int last = generation;
                generation = members.firstEntry().getValue().generation;
                which = generation == last ? " without a rebalance" : " after a rebalance";
            }
            List<String> shares = new ArrayList<>();
            Map<TopicPartition, String> now = new HashMap<>();
            members.forEach((name, member) -> {
                member.assignment.forEach(one -> now.put(one, name));
                if (assignor.equals("remote-uniform")) shares.add(member.assignment.size() + " partitions");
                else shares.add((remote ? "" : name + " ") + numbers(member, left) + " " + numbers(member, right));
            });
            if (remote) shares.sort(null);
            long taken = before.entrySet().stream().filter(one -> members.containsKey(one.getValue()))
                .filter(one -> !now.get(one.getKey()).equals(one.getValue())).count();
            before = now;
            String moved = assignor.equals("remote-range") ? "" : "; taken from who stayed: " + taken;
            told.add(assignor + which + ": " + String.join("; ", shares) + moved);
        }

        void send() {
            try {
                for (int i = 0; !enough; ++i) {
                    TopicPartition to = partitions.get(i % partitions.size());
                    String value = "record-" + i;
                    producer.send(new ProducerRecord<>(to.topic(), to.partition(), "k", value), (where, error) -> {
                        if (error == null) sent.add(value);
                        else failed(error);
                    });
                    Thread.sleep(4);
                }
                producer.flush();
            } catch (Exception unexpected) {
                failed(unexpected);
            }
        }

        /** "+NAME" joins, "-NAME" leaves, "!NAME" is restarted; what each has after that is told. */
        void steps(String... all) throws Exception {
            for (String step : all) {
                String name = step.substring(1);
                if (step.charAt(0) != '+') leave(name);
                if (step.charAt(0) != '-') join(name);
                tell();
            }
        }

        boolean committedToTheEnds() throws Exception {
            Map<TopicPartition, Long> committed = new HashMap<>(), ends = new HashMap<>();
            admin.listConsumerGroupOffsets(id).partitionsToOffsetAndMetadata().get().forEach((one, offset) -> committed.put(one, offset.offset()));
            admin.listOffsets(partitions.stream().collect(Collectors.toMap(one -> one, one -> OffsetSpec.latest()))).all().get()
                .forEach((one, end) -> ends.put(one, end.offset()));
            return committed.equals(ends);
        }

        @Override
        public void run() {
            try {
                admin.createTopics(List.of(new NewTopic(left, LEFT, (short) 1), new NewTopic(right, RIGHT, (short) 1))).all().get();
                Thread sender = new Thread(this::send);
                sender.start();
                if (assignor.equals("upgrade")) steps("+a1", "+b1", "-a1", "+a2", "-b1", "+b2", "-a2", "+a3", "-b2", "+b3");
                else if (assignor.equals("static")) steps("+a", "+b", "!b", "!a");
                else steps("+a", "+b", "+c", "-b", "+d", "-a");
                enough = true;
                sender.join();
                await("every record", () -> read.equals(sent));
                await("all commits", this::committedToTheEnds);
                for (Member member : members.values()) member.stopping = true;
                for (Member member : members.values()) member.join();
                if (!owners.isEmpty()) throw new IllegalStateException("not given back: " + owners);
            } catch (Throwable unexpected) {
                failed(unexpected);
            } finally {
                enough = true;
                members.values().forEach(member -> member.stopping = true);
            }
        }
    }

    public static void main(String[] argv) throws Exception {
        bootstrap = argv[0];
        label = argv[1];
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        // Not idempotent: on Kafka in KRaft mode such a producer at times never gets over the first moments of a new topic
        // (OUT_OF_ORDER_SEQUENCE_NUMBER until its batches expire), and that isn't what is tested here.
        producer = new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap, "linger.ms", "5", "enable.idempotence", "false"),
            new StringSerializer(), new StringSerializer());
        List<Group> groups = new ArrayList<>();
        for (int i = 2; i < argv.length; ++i) groups.add(new Group(argv[i]));
        groups.forEach(Thread::start);
        int count = 0;
        for (Group group : groups) {
            group.join();
            if (group.failure != null) throw new IllegalStateException(group.assignor, group.failure);
            group.told.forEach(System.out::println);
            count += group.sent.size();
        }
        producer.close();
        admin.close();
        System.out.println("assignors done, " + count + " records");
    }
}
