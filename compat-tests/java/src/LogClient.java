import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Does what a test asks for with the stock clients, on several brokers at once: lines `SIDE COMMAND ARGUMENT…` on standard
 * input, each answered by a line `SIDE ok …` or `SIDE error …`. The commands of one side run one after the other, those of
 * different sides beside each other. Byte strings are written in hex, `null` or `empty`.
 */
public class LogClient {
    static final int PATIENCE_MS = 120_000;
    static final PrintStream OUT = System.out;

    final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
    String bootstrap;
    Admin admin;

    Properties properties(String... pairs) {
        Properties all = new Properties();
        all.put("bootstrap.servers", bootstrap);
        all.put("reconnect.backoff.max.ms", "200");
        all.put("retry.backoff.ms", "20");
        all.put("retry.backoff.max.ms", "200");
        for (int i = 0; i < pairs.length; i += 2) all.put(pairs[i], pairs[i + 1]);
        return all;
    }

    String connect(String to) {
        if (admin != null) admin.close();
        bootstrap = to;
        admin = Admin.create(properties("default.api.timeout.ms", "" + PATIENCE_MS));
        return "";
    }

    String create(String topic, int partitions, List<String> settings) throws Exception {
        Map<String, String> config = new HashMap<>();
        for (String setting : settings) config.put(setting.split("=", 2)[0], setting.split("=", 2)[1]);
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(config))).all().get();
        for (int partition = 0; partition < partitions; partition++) await(new TopicPartition(topic, partition), 0);
        return "";
    }

    /** Deleted, and made anew under its name. */
    String recreate(String topic, int partitions, List<String> settings) throws Exception {
        admin.deleteTopics(List.of(topic)).all().get();
        long late = System.currentTimeMillis() + PATIENCE_MS;
        while (true) {
            try {
                return create(topic, partitions, settings);
            } catch (ExecutionException failed) {
                if (!(failed.getCause() instanceof TopicExistsException) || System.currentTimeMillis() > late) throw failed;
            }
            Thread.sleep(3);
        }
    }

    String alter(String topic, List<String> settings) throws Exception {
        List<AlterConfigOp> operations = new ArrayList<>();
        for (String setting : settings) {
            ConfigEntry entry = new ConfigEntry(setting.split("=", 2)[0], setting.split("=", 2)[1]);
            operations.add(new AlterConfigOp(entry, AlterConfigOp.OpType.SET));
        }
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, topic), operations)).all().get();
        return "";
    }

    /** kind: acks-0, acks-1, acks-all, idempotent, or transactional, whose transactional id is the name. */
    String producer(String name, String kind, String codec) {
        Properties all = properties("compression.type", codec, "linger.ms", "100000", "delivery.timeout.ms", "300000",
            "batch.size", "1000000", "max.block.ms", "" + PATIENCE_MS, "max.request.size", "2000000");
        all.put("enable.idempotence", "" + !kind.startsWith("acks-"));
        all.put("acks", kind.startsWith("acks-") ? kind.substring(5) : "all");
        if (kind.equals("transactional")) {
            all.put("transactional.id", name);
            all.put("transaction.timeout.ms", "900000");
        }
        KafkaProducer<byte[], byte[]> made = new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
        producers.put(name, made);
        if (kind.equals("transactional")) made.initTransactions();
        return "";
    }

    /** Records are TIMESTAMP,KEY,VALUE,HEADERS. All become one batch. Answers with the offset or the refusal of each. */
    String send(String name, TopicPartition to, List<String> records) throws Exception {
        KafkaProducer<byte[], byte[]> producer = producers.get(name);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (String record : records) {
            String[] part = record.split(",", -1);
            RecordHeaders headers = new RecordHeaders();
            if (!part[3].equals("-")) {
                for (String header : part[3].split(";")) {
                    String[] pair = header.split("=");
                    headers.add(new RecordHeader(new String(LogDump.bytes(pair[0]), StandardCharsets.UTF_8), LogDump.bytes(pair[1])));
                }
            }
            sent.add(producer.send(new ProducerRecord<>(to.topic(), to.partition(), Long.valueOf(part[0]), LogDump.bytes(part[1]),
                LogDump.bytes(part[2]), headers)));
        }
        producer.flush();
        List<String> offsets = new ArrayList<>();
        for (Future<RecordMetadata> one : sent) {
            try {
                offsets.add("" + one.get().offset());
            } catch (ExecutionException refused) {
                offsets.add(refused.getCause().getClass().getSimpleName());
            }
        }
        return String.join(",", offsets);
    }

    /** Until the log end offset is there: markers are written after the end of their transaction has been answered. */
    String await(TopicPartition of, long end) throws Exception {
        long late = System.currentTimeMillis() + PATIENCE_MS;
        while (true) {
            long now = -1;
            try {
                now = admin.listOffsets(Map.of(of, OffsetSpec.latest())).all().get().get(of).offset();
            } catch (ExecutionException notYet) {
                if (System.currentTimeMillis() > late) throw notYet;
            }
            if (now >= end) return "" + now;
            if (System.currentTimeMillis() > late) throw new IllegalStateException(of + " ends at " + now + ", not " + end);
            Thread.sleep(3);
        }
    }

    String awaitAll(List<String> ends) throws Exception {
        List<String> found = new ArrayList<>();
        for (String end : ends) found.add(await(partition(end.split("=")[0]), Long.parseLong(end.split("=")[1])));
        return String.join(",", found);
    }

    String end(String name, boolean commits, List<String> ends) throws Exception {
        if (commits) {
            producers.get(name).commitTransaction();
        } else {
            producers.get(name).abortTransaction();
        }
        return awaitAll(ends);
    }

    String begin(String name) {
        producers.get(name).beginTransaction();
        return "";
    }

    String offsets(String name, String group, TopicPartition of, long offset) {
        var offsets = Map.of(of, new OffsetAndMetadata(offset, name));
        producers.get(name).sendOffsetsToTransaction(offsets, new ConsumerGroupMetadata(group));
        return "";
    }

    String commitGroup(String group, TopicPartition of, long offset) throws Exception {
        admin.alterConsumerGroupOffsets(group, Map.of(of, new OffsetAndMetadata(offset, "plain"))).all().get();
        return "";
    }

    String deleteRecords(TopicPartition of, long offset) throws Exception {
        var deleted = admin.deleteRecords(Map.of(of, RecordsToDelete.beforeOffset(offset)));
        return "" + deleted.lowWatermarks().get(of).get().lowWatermark();
    }

    String lookup(TopicPartition of, List<String> times) throws Exception {
        List<String> found = new ArrayList<>();
        for (String time : times) {
            var answer = admin.listOffsets(Map.of(of, OffsetSpec.forTimestamp(Long.parseLong(time)))).all().get().get(of);
            found.add(answer.offset() + ":" + answer.timestamp());
        }
        return String.join(",", found);
    }

    static TopicPartition partition(String text) {
        int dash = text.lastIndexOf('-');
        return new TopicPartition(text.substring(0, dash), Integer.parseInt(text.substring(dash + 1)));
    }

    String run(String command, List<String> rest) throws Exception {
        switch (command) {
            case "connect": return connect(rest.get(0));
            case "create": return create(rest.get(0), Integer.parseInt(rest.get(1)), rest.subList(2, rest.size()));
            case "recreate": return recreate(rest.get(0), Integer.parseInt(rest.get(1)), rest.subList(2, rest.size()));
            case "alter": return alter(rest.get(0), rest.subList(1, rest.size()));
            case "producer": return producer(rest.get(0), rest.get(1), rest.get(2));
            case "close": producers.remove(rest.get(0)).close(java.time.Duration.ZERO); return "";
            case "send": return send(rest.get(0), partition(rest.get(1)), rest.subList(2, rest.size()));
            case "begin": return begin(rest.get(0));
            case "commit": return end(rest.get(0), true, rest.subList(1, rest.size()));
            case "abort": return end(rest.get(0), false, rest.subList(1, rest.size()));
            case "await": return awaitAll(rest);
            case "offsets": return offsets(rest.get(0), rest.get(1), partition(rest.get(2)), Long.parseLong(rest.get(3)));
            case "commit-group": return commitGroup(rest.get(0), partition(rest.get(1)), Long.parseLong(rest.get(2)));
            case "delete-records": return deleteRecords(partition(rest.get(0)), Long.parseLong(rest.get(1)));
            case "lookup": return lookup(partition(rest.get(0)), rest.subList(1, rest.size()));
            case "dump":
                return new LogDump(this, Path.of(rest.get(0))).logs(rest.get(1).equals("internal"), rest.subList(2, rest.size()));
            case "committed": return LogDump.committed(admin, rest.get(0));
            case "groups": return new LogDump(this, Path.of(rest.get(0))).groups();
            case "transactions": return new LogDump(this, Path.of(rest.get(0))).transactions();
            default: throw new IllegalArgumentException("no command " + command);
        }
    }

    void answer(String side, String[] words) {
        String text;
        try {
            text = "ok " + run(words[1], Arrays.asList(words).subList(2, words.length));
        } catch (Throwable failed) {
            failed.printStackTrace();
            text = "error " + failed.toString().replace('\n', ' ');
        }
        synchronized (OUT) {
            OUT.println(side + " " + text);
            OUT.flush();
        }
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Map<String, LogClient> sides = new HashMap<>();
        Map<String, ExecutorService> threads = new HashMap<>();
        for (String line; (line = in.readLine()) != null;) {
            String[] words = line.split(" ");
            LogClient client = sides.computeIfAbsent(words[0], side -> new LogClient());
            threads.computeIfAbsent(words[0], side -> Executors.newSingleThreadExecutor())
                .submit(() -> client.answer(words[0], words));
        }
        Runtime.getRuntime().halt(0);  // whatever is still open: the tests end without ceremony
    }
}
