import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.NodeCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher;

/** Caches, persistent watches, and what lives through the loss of a session. */
class CacheCases {
    private static String of(ChildData data) {
        return data == null ? "none" : data.getPath() + "=" + Recipes.text(data.getData()) + " v" + data.getStat().getVersion();
    }

    private static String next(BlockingQueue<String> events) throws InterruptedException {
        String event = events.poll(60, TimeUnit.SECONDS);
        return event == null ? "no event" : event;
    }

    /** Waits for what must come; a NodeCache may tell of earlier states, or not. */
    private static String until(BlockingQueue<String> events, String wanted) throws InterruptedException {
        String event;
        do {
            event = next(events);
        } while (!event.equals(wanted) && !event.equals("no event"));
        return event;
    }

    static void curator_cache(Recipes recipes) throws Exception {
        CuratorFramework client = recipes.client();
        client.create().creatingParentsIfNeeded().forPath("/cached/before", Recipes.bytes("b"));
        client.setData().forPath("/cached", Recipes.bytes("top"));
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        try (CuratorCache cache = CuratorCache.build(client, "/cached")) {
            cache.listenable().addListener((type, old, now) -> events.add(type + " " + of(old) + " -> " + of(now)));
            cache.start();
            List<String> first = new ArrayList<>(List.of(next(events), next(events)));
            first.sort(null);
            recipes.say(first.toString());
            client.create().forPath("/cached/new", Recipes.bytes("n"));
            recipes.say(next(events));
            client.create().forPath("/cached/new/deep", Recipes.bytes("d"));
            recipes.say(next(events));
            client.setData().forPath("/cached/new/deep", Recipes.bytes("d2"));
            recipes.say(next(events));
            client.delete().forPath("/cached/new/deep");
            recipes.say(next(events));
            client.transaction().forOperations(client.transactionOp().create().forPath("/cached/t1", new byte[0]),
                    client.transactionOp().create().forPath("/cached/t1/t2", new byte[0]));
            recipes.say(next(events));
            recipes.say(next(events));
            for (int i = 0; i < 100; i++) client.create().forPath("/cached/many-" + i, new byte[0]);
            for (int i = 0; i < 100; i++) next(events);
            recipes.say("size " + cache.size());
            recipes.say(cache.stream().map(ChildData::getPath).filter(path -> !path.contains("many")).sorted()
                    .collect(Collectors.toList()).toString());
            // The cache follows a new session.
            recipes.expire(client);
            client.create().forPath("/cached/after", Recipes.bytes("a"));
            recipes.say(next(events));
        }
        client.delete().deletingChildrenIfNeeded().forPath("/cached");
    }

    static void old_caches(Recipes recipes) throws Exception {
        CuratorFramework client = recipes.client();
        client.create().forPath("/old", Recipes.bytes("0"));
        BlockingQueue<String> tree_events = new LinkedBlockingQueue<>();
        BlockingQueue<String> child_events = new LinkedBlockingQueue<>();
        BlockingQueue<String> node_events = new LinkedBlockingQueue<>();
        try (TreeCache tree = new TreeCache(client, "/old"); NodeCache node = new NodeCache(client, "/old");
                PathChildrenCache children = new PathChildrenCache(client, "/old", true)) {
            tree.getListenable().addListener((from, event) -> tree_events.add(event.getType() + " " + of(event.getData())));
            children.getListenable().addListener((from, event) -> child_events.add(event.getType() + " " + of(event.getData())));
            node.getListenable().addListener(() -> node_events.add(of(node.getCurrentData())));
            tree.start();
            recipes.say(next(tree_events) + ", " + next(tree_events));
            node.start(true);
            children.start(PathChildrenCache.StartMode.BUILD_INITIAL_CACHE);
            client.create().forPath("/old/child", Recipes.bytes("c"));
            recipes.say(next(tree_events) + ", " + next(child_events));
            client.setData().forPath("/old/child", Recipes.bytes("c2"));
            recipes.say(next(tree_events) + ", " + next(child_events));
            client.setData().forPath("/old", Recipes.bytes("1"));
            recipes.say(next(tree_events) + ", " + until(node_events, "/old=1 v1"));
            client.delete().forPath("/old/child");
            recipes.say(next(tree_events) + ", " + next(child_events));
            children.close();  // it would make its parent again
            client.delete().forPath("/old");
            recipes.say(next(tree_events) + ", " + until(node_events, "none"));
        }
    }

    static void persistent_watches(Recipes recipes) throws Exception {
        CuratorFramework client = recipes.client();
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        Watcher note = event -> {
            if (event.getType() != Watcher.Event.EventType.None) events.add(event.getType() + " " + event.getPath());
        };
        try (PersistentWatcher watcher = new PersistentWatcher(client, "/watched", true)) {
            watcher.getListenable().addListener(note);
            watcher.start();
            client.create().creatingParentsIfNeeded().forPath("/watched/a/b");
            for (int i = 0; i < 3; i++) recipes.say(next(events));
            client.delete().deletingChildrenIfNeeded().forPath("/watched/a");
            for (int i = 0; i < 2; i++) recipes.say(next(events));
        }
        client.watchers().add().forPath("/watched");
        client.watchers().add().usingWatcher(note).forPath("/watched");
        client.create().forPath("/watched/c");
        recipes.say(next(events));
        recipes.say("" + Recipes.outcome(() -> client.watchers().remove(note).forPath("/watched")));
        recipes.say("" + Recipes.outcome(() -> client.watchers().remove(note).forPath("/watched")));
        recipes.say(next(events));
        client.delete().deletingChildrenIfNeeded().forPath("/watched");
    }

    static void persistent_node(Recipes recipes) throws Exception {
        CuratorFramework client = recipes.client();
        CuratorFramework other = recipes.client();
        try (PersistentNode node = new PersistentNode(client, CreateMode.EPHEMERAL, false, "/kept/node", Recipes.bytes("k"))) {
            node.start();
            recipes.say("" + node.waitForInitialCreate(60, TimeUnit.SECONDS) + " " + node.getActualPath());
            long owner = other.checkExists().forPath("/kept/node").getEphemeralOwner();
            other.delete().forPath("/kept/node");
            recipes.wait_for("made again after a delete", () -> other.checkExists().forPath("/kept/node") != null);
            recipes.say("" + (other.checkExists().forPath("/kept/node").getEphemeralOwner() == owner));
            recipes.expire(client);
            recipes.wait_for("made again in a new session", () -> other.checkExists().forPath("/kept/node") != null
                    && other.checkExists().forPath("/kept/node").getEphemeralOwner() != owner);
            node.setData(Recipes.bytes("new"));
            recipes.wait_for("has new data", () -> "new".equals(Recipes.text(other.getData().forPath("/kept/node"))));
        }
        recipes.wait_for("gone when closed", () -> other.checkExists().forPath("/kept/node") == null);
        try (PersistentTtlNode node = new PersistentTtlNode(client, "/kept/ttl", 3_600_000, Recipes.bytes("t"))) {
            node.start();
            recipes.say("" + node.waitForInitialCreate(60, TimeUnit.SECONDS));
            recipes.say(Long.toHexString(other.checkExists().forPath("/kept/ttl").getEphemeralOwner()));
        }
    }

    static void session_lost(Recipes recipes) throws Exception {
        CuratorFramework client = recipes.client();
        CuratorFramework other = recipes.client();
        BlockingQueue<String> states = new LinkedBlockingQueue<>();
        client.getConnectionStateListenable().addListener((from, state) -> {
            // Curator may tell of the first connection after it has let us go on.
            if (state == ConnectionState.LOST || state == ConnectionState.RECONNECTED) states.add(state.toString());
        });
        client.create().withMode(CreateMode.EPHEMERAL).forPath("/passing");
        long before = client.getZookeeperClient().getZooKeeper().getSessionId();
        recipes.expire(client);
        recipes.say("" + other.checkExists().forPath("/passing"));
        recipes.say(next(states) + ", " + next(states));
        recipes.say("new session: " + (client.getZookeeperClient().getZooKeeper().getSessionId() != before));
        recipes.say(client.create().withMode(CreateMode.EPHEMERAL).forPath("/passing"));
    }
}
