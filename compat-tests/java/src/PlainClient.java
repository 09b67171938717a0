import java.lang.reflect.Method;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Producer, consumer and admin client as any program would use them, with what kafka-clients 1.1.1 already had. */
public class PlainClient {
    static final int PARTITIONS = 3;
    static String bootstrap;

    static void check(boolean condition, String what) {
        if (!condition) throw new IllegalStateException("not so: " + what);
    }

    static Properties properties(String... pairs) {
        Properties all = new Properties();
        all.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < pairs.length; i += 2) all.put(pairs[i], pairs[i + 1]);
        return all;
    }

    /** 1.1.1 has poll(long) only, 4.x poll(Duration) only. */
    @SuppressWarnings("unchecked")
    static ConsumerRecords<String, String> poll(KafkaConsumer<String, String> consumer) throws Exception {
        Method method;
        try {
            method = KafkaConsumer.class.getMethod("poll", Duration.class);
        } catch (NoSuchMethodException old) {
            return (ConsumerRecords<String, String>) KafkaConsumer.class.getMethod("poll", long.class).invoke(consumer, 500L);
        }
        return (ConsumerRecords<String, String>) method.invoke(consumer, Duration.ofMillis(500));
    }

    static KafkaConsumer<String, String> consumer(String group, String... pairs) {
        Properties all = properties(pairs);
        all.put("group.id", group);
        all.put("auto.offset.reset", "earliest");
        all.put("enable.auto.commit", "false");
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    static void produce(String topic, int count, String codec) throws Exception {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(
                properties("acks", "all", "compression.type", codec, "linger.ms", "5"), new StringSerializer(),
                new StringSerializer())) {
            check(producer.partitionsFor(topic).size() == PARTITIONS, "partitionsFor");
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                ProducerRecord<String, String> record = new ProducerRecord<>(topic, i % PARTITIONS, 1000L + i, "k" + i, "v" + i);
                record.headers().add("codec", codec.getBytes());
                sent.add(producer.send(record));
            }
            producer.flush();
            long[] next = {-1, -1, -1};
            for (Future<RecordMetadata> future : sent) {
                RecordMetadata metadata = future.get();
                int partition = metadata.partition();
                check(next[partition] < 0 || metadata.offset() == next[partition], "offsets without gap or jump back");
                next[partition] = metadata.offset() + 1;
            }
        }
    }

    static int consume(String topic, String group, int count) throws Exception {
        int seen = 0;
        try (KafkaConsumer<String, String> consumer = consumer(group)) {
            consumer.subscribe(Collections.singletonList(topic));
            Map<Integer, Integer> last = new HashMap<>();
            while (seen < count) {
                for (ConsumerRecord<String, String> record : poll(consumer)) {
                    int number = Integer.parseInt(record.value().substring(1));
                    check(record.key().equals("k" + number), "key of " + number);
                    check(record.timestamp() == 1000L + number, "timestamp of " + number);
                    check(record.headers().lastHeader("codec") != null, "header of " + number);
                    check(number % PARTITIONS == record.partition(), "partition of " + number);
                    Integer before = last.put(record.partition(), number);
                    check(before == null || number > before || number < PARTITIONS, "order in " + record.partition());
                    seen++;
                }
            }
            consumer.commitSync();
        }
        return seen;
    }

    static void positions(String topic, String group, int perPartition) throws Exception {
        TopicPartition zero = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> consumer = consumer(group)) {
            consumer.assign(Collections.singletonList(zero));
            check(consumer.position(zero) == perPartition, "goes on at the committed offset");
            check(consumer.beginningOffsets(Collections.singletonList(zero)).get(zero) == 0L, "beginning");
            check(consumer.endOffsets(Collections.singletonList(zero)).get(zero) == (long) perPartition, "end");
            OffsetAndTimestamp found = consumer.offsetsForTimes(Collections.singletonMap(zero, 1003L)).get(zero);
            check(found != null && found.offset() == 1 && found.timestamp() == 1003L, "offset by time " + found);
            check(consumer.offsetsForTimes(Collections.singletonMap(zero, 99_999_999L)).get(zero) == null, "no such time");
            consumer.seek(zero, perPartition - 1);
            ConsumerRecords<String, String> records = poll(consumer);
            while (records.isEmpty()) records = poll(consumer);
            check(records.count() == 1 && records.iterator().next().offset() == perPartition - 1, "after seek");
        }
    }

    static void admin(String topic) throws Exception {
        try (AdminClient admin = AdminClient.create(properties())) {
            admin.createTopics(Collections.singletonList(new NewTopic(topic, PARTITIONS, (short) 1)
                .configs(Collections.singletonMap("retention.ms", "-1")))).all().get();
            check(admin.listTopics().names().get().contains(topic), "topic is listed");
            check(admin.describeCluster().nodes().get().size() == 1, "one node");
            check(admin.describeCluster().clusterId().get().length() == 22, "cluster id");
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            Config config = admin.describeConfigs(Collections.singletonList(resource)).all().get().get(resource);
            check(config.get("retention.ms").value().equals("-1"), "retention.ms");
            check(config.get("cleanup.policy").value().equals("delete"), "cleanup.policy");
            check(config.get("retention.ms").isDefault() == false, "retention.ms is no default");
        }
    }

    static void delete(String topic) throws Exception {
        try (AdminClient admin = AdminClient.create(properties())) {
            admin.deleteTopics(Collections.singletonList(topic)).all().get();
            while (admin.listTopics().names().get().contains(topic)) Thread.sleep(20);
        }
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        String label = arguments[1];
        int count = Integer.parseInt(arguments[2]);
        String topic = "plain-" + label;
        admin(topic);
        List<String> codecs = Arrays.asList("none", "gzip", "snappy", "lz4");
        for (String codec : codecs) produce(topic, count, codec);
        int total = count * codecs.size();
        int seen = consume(topic, "plain-group-" + label, total);
        positions(topic, "plain-group-" + label, total / PARTITIONS);
        if (arguments.length > 3 && arguments[3].equals("new")) NewAdmin.run(bootstrap, topic, label);
        delete(topic);
        System.out.println("plain client done, " + seen + " records");
        System.exit(0);
    }
}
