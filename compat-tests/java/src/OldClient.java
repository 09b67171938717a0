import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/**
 * What the oldest Java clients had: a producer (0.8.2 on), a consumer in a group (0.9 on). Arguments: bootstrap, topic,
 * records for each codec, records that are there already, codecs. Prints a line for each record consumed: partition,
 * offset, key, value.
 */
public class OldClient {
    static void produce(String bootstrap, String topic, int count, String codec) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("compression.type", codec);
        properties.put("acks", "all");
        properties.put("linger.ms", "50");
        properties.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        properties.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        long[] last = {-1, -1};
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            java.util.concurrent.Future<?>[] sent = new java.util.concurrent.Future<?>[count];
            for (int i = 0; i < count; i++) {
                sent[i] = producer.send(new ProducerRecord<>(topic, i % 2, "k" + i, "old-" + codec + "-" + i));
            }
            for (int i = 0; i < count; i++) {
                RecordMetadata metadata = (RecordMetadata) sent[i].get();
                if (metadata.partition() != i % 2 || metadata.offset() <= last[i % 2]) {
                    throw new IllegalStateException("record " + i + " landed at " + metadata);
                }
                last[i % 2] = metadata.offset();
            }
        }
    }

    static Method method(String name, Class<?> parameter) {
        for (Method each : KafkaConsumer.class.getMethods()) {
            Class<?>[] parameters = each.getParameterTypes();
            if (each.getName().equals(name) && parameters.length == 1 && parameters[0].isAssignableFrom(parameter)) return each;
        }
        throw new IllegalStateException("no " + name);
    }

    @SuppressWarnings("unchecked")
    static void consume(String bootstrap, String topic, int count, StringBuilder out) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("group.id", "old-" + topic);
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        properties.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        Method poll = KafkaConsumer.class.getMethod("poll", long.class);
        int seen = 0;
        while (seen < count) {
            // Half of it by a consumer that commits and leaves; the next one goes on from there.
            int until = seen + (count - seen + 1) / 2;
            try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties)) {
                method("subscribe", List.class).invoke(consumer, Arrays.asList(topic));
                while (seen < until) {
                    ConsumerRecords<String, String> records = (ConsumerRecords<String, String>) poll.invoke(consumer, 500L);
                    for (ConsumerRecord<String, String> record : records) {
                        out.append(record.partition()).append(' ').append(record.offset()).append(' ').append(record.key())
                            .append(' ').append(record.value()).append('\n');
                        seen++;
                    }
                    consumer.commitSync();
                }
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        int count = Integer.parseInt(arguments[2]);
        String[] codecs = Arrays.copyOfRange(arguments, 4, arguments.length);
        for (String codec : codecs) produce(arguments[0], arguments[1], count, codec);
        StringBuilder out = new StringBuilder();
        try {
            Class.forName("org.apache.kafka.clients.consumer.KafkaConsumer").getMethod("commitSync");
        } catch (NoSuchMethodException | ClassNotFoundException not0_9) {
            return;
        }
        consume(arguments[0], arguments[1], Integer.parseInt(arguments[3]) + count * codecs.length, out);
        System.out.print(out);
    }
}
