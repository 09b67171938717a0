package storefront;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.stream.StreamSupport;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.connect.json.JsonDeserializer;
import org.apache.kafka.connect.json.JsonSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.Stores;

/** The events of an online shop, each counted exactly once: revenue per minute, top products, abandoned carts. */
public final class Storefront {
    private static final Serde<String> STRINGS = Serdes.String();
    private static final Serde<JsonNode> JSON = Serdes.serdeFrom(new JsonSerializer(), new JsonDeserializer());

    // Instances come and go, so that the tasks of one may be hours behind those of another. Nothing shall be too late.
    private static final TimeWindows MINUTES = TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofDays(1));
    private static final int TOP = 5;

    static Topology topology() {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, JsonNode> events = builder.stream("storefront.events", Consumed.with(STRINGS, JSON));
        KStream<String, JsonNode> orders = events.filter((cart, event) -> event.get("type").asText().equals("order"));

        orders.groupBy((cart, order) -> order.get("kind").asText(), Grouped.with("by-kind", STRINGS, JSON))
            .windowedBy(MINUTES)
            .aggregate(Storefront::nothing, Storefront::add, Materialized.with(STRINGS, JSON))
            .toStream((window, totals) -> Instant.ofEpochMilli(window.window().start()) + " " + window.key())
            .to("storefront.revenue-per-minute", Produced.with(STRINGS, JSON));

        KTable<String, JsonNode> products = orders
            .groupBy((cart, order) -> order.get("product").asText(), Grouped.with("by-product", STRINGS, JSON))
            .aggregate(Storefront::nothing, Storefront::add, Materialized.with(STRINGS, JSON));
        products.toStream().to("storefront.product-totals", Produced.with(STRINGS, JSON));

        products.groupBy((product, totals) -> KeyValue.pair("top", named(product, totals)), Grouped.with("top", STRINGS, JSON))
            .aggregate(JsonNodeFactory.instance::objectNode,
                (key, totals, all) -> ((ObjectNode) all).set(totals.get("product").asText(), totals),
                (key, totals, all) -> without(all, totals.get("product").asText()),
                Materialized.with(STRINGS, JSON))
            .toStream().mapValues(Storefront::best).to("storefront.top-products", Produced.with(STRINGS, JSON));

        builder.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(AbandonedCarts.STORE), STRINGS, JSON));
        events.process(AbandonedCarts::new, AbandonedCarts.STORE).to("storefront.abandoned-carts", Produced.with(STRINGS, JSON));
        return builder.build();
    }

    private static JsonNode nothing() {
        return JsonNodeFactory.instance.objectNode().put("orders", 0).put("units", 0).put("cents", 0);
    }

    private static JsonNode add(String key, JsonNode order, JsonNode totals) {
        return JsonNodeFactory.instance.objectNode().put("orders", totals.get("orders").asLong() + 1)
            .put("units", totals.get("units").asLong() + order.get("units").asLong())
            .put("cents", totals.get("cents").asLong() + order.get("cents").asLong());
    }

    private static JsonNode named(String product, JsonNode totals) {
        return ((ObjectNode) totals.deepCopy()).put("product", product);
    }

    private static JsonNode without(JsonNode all, String product) {
        ((ObjectNode) all).remove(product);
        return all;
    }

    private static JsonNode best(JsonNode all) {
        ArrayNode best = JsonNodeFactory.instance.arrayNode();
        StreamSupport.stream(all.spliterator(), false)
            .sorted(Comparator.comparingLong((JsonNode totals) -> -totals.get("cents").asLong())
                .thenComparing(totals -> totals.get("product").asText()))
            .limit(TOP).forEach(best::add);
        return best;
    }

    /** Arguments: bootstrap servers, a directory for the state of this instance, the session timeout in ms. */
    public static void main(String[] arguments) throws InterruptedException {
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "storefront");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        config.put(StreamsConfig.STATE_DIR_CONFIG, arguments[1]);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        // Each order goes on at once. With a cache, several updates of one key become one.
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        // The work of an instance that was killed is taken over after this time.
        config.put("session.timeout.ms", arguments[2]);
        config.put("heartbeat.interval.ms", Integer.parseInt(arguments[2]) / 4);

        KafkaStreams streams = new KafkaStreams(topology(), config);
        streams.setUncaughtExceptionHandler(error -> StreamThreadExceptionResponse.REPLACE_THREAD);
        CountDownLatch closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close();
            closed.countDown();
        }));
        streams.start();
        closed.await();
    }
}
