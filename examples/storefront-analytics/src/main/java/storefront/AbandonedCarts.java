package storefront;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/** Passes on carts that aren't paid for a minute after they were filled, by the clock of the events. */
final class AbandonedCarts implements Processor<String, JsonNode, String, JsonNode> {
    static final String STORE = "open-carts";
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    private ProcessorContext<String, JsonNode> context;
    private KeyValueStore<String, JsonNode> openCarts;

    @Override
    public void init(ProcessorContext<String, JsonNode> context) {
        this.context = context;
        this.openCarts = context.getStateStore(STORE);
        context.schedule(Duration.ofSeconds(10), PunctuationType.STREAM_TIME, this::passOnAbandoned);
    }

    @Override
    public void process(Record<String, JsonNode> event) {
        switch (event.value().get("type").asText()) {
            case "cart" -> openCarts.put(event.key(), event.value());
            case "order" -> openCarts.delete(event.key());
            default -> { } // it moves the clock, that's all
        }
    }

    private void passOnAbandoned(long now) {
        List<KeyValue<String, JsonNode>> abandoned = new ArrayList<>();
        try (KeyValueIterator<String, JsonNode> carts = openCarts.all()) {
            carts.forEachRemaining(cart -> {
                if (cart.value.get("at").asLong() + PATIENCE.toMillis() <= now) abandoned.add(cart);
            });
        }
        for (KeyValue<String, JsonNode> cart : abandoned) {
            openCarts.delete(cart.key);
            context.forward(new Record<>(cart.key, cart.value, now));
        }
    }
}
