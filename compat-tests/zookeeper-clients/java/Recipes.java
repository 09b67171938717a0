import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.RetryNTimes;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooKeeper;

/** Curator's recipes on one server: each case says what it saw, in words that don't depend on times and ids. */
class Recipes {
    interface Case {
        void run(Recipes recipes) throws Exception;
    }

    final String connect;
    final List<String> out = new ArrayList<>();
    private final List<CuratorFramework> clients = new ArrayList<>();

    Recipes(String connect) {
        this.connect = connect;
    }

    static List<String> run(String connect) throws Exception {
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("nodes", NodeCases::nodes);
        cases.put("transactions", NodeCases::transactions);
        cases.put("ttl and container nodes", NodeCases::ttl_and_containers);
        cases.put("access", NodeCases::access);
        cases.put("curator cache", CacheCases::curator_cache);
        cases.put("old caches", CacheCases::old_caches);
        cases.put("persistent watches", CacheCases::persistent_watches);
        cases.put("persistent node", CacheCases::persistent_node);
        cases.put("session lost", CacheCases::session_lost);
        cases.put("leader latch", SharedCases::leader_latch);
        cases.put("leader selector", SharedCases::leader_selector);
        cases.put("mutex", SharedCases::mutex);
        cases.put("read-write lock", SharedCases::read_write_lock);
        cases.put("semaphore", SharedCases::semaphore);
        cases.put("atomic long", SharedCases::atomic_long);
        cases.put("counter and barriers", SharedCases::counter_and_barriers);
        cases.put("group", SharedCases::group);
        // Several at once: much of their time they wait for a client to connect anew.
        ExecutorService pool = Executors.newFixedThreadPool(5);
        List<Future<List<String>>> done = new ArrayList<>();
        cases.forEach((name, body) -> done.add(pool.submit(() -> new Recipes(connect).one(name, body))));
        List<String> all = new ArrayList<>();
        for (Future<List<String>> one : done) all.addAll(one.get());
        return all;
    }

    private List<String> one(String name, Case body) {
        say("== " + name);
        try {
            body.run(this);
        } catch (Throwable problem) {
            say("failed: " + problem);
            for (StackTraceElement line : problem.getStackTrace()) {
                if (line.getClassName().endsWith("Cases")) say("  at " + line);
            }
        }
        for (CuratorFramework client : clients) client.close();
        return out;
    }

    synchronized void say(String line) {
        out.add(line);
    }

    CuratorFramework client() throws InterruptedException {
        return started(CuratorFrameworkFactory.builder());
    }

    CuratorFramework started(CuratorFrameworkFactory.Builder builder) throws InterruptedException {
        CuratorFramework client = builder.connectString(connect).sessionTimeoutMs(30_000).connectionTimeoutMs(30_000)
                .retryPolicy(new RetryNTimes(50, 100)).build();
        clients.add(client);
        client.start();
        client.blockUntilConnected();
        return client;
    }

    /** The name of the error that a call ends with, or what it gives. */
    static Object outcome(Callable<?> call) {
        try {
            return call.call();
        } catch (Exception problem) {
            return problem.getClass().getSimpleName() + " " + problem.getMessage();
        }
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    /** Waits for it, and says so if it never comes. */
    void wait_for(String what, Condition condition) throws Exception {
        long end = System.currentTimeMillis() + 60_000;
        while (!condition.holds()) {
            if (System.currentTimeMillis() > end) {
                say("never: " + what);
                return;
            }
            Thread.sleep(5);
        }
        say(what);
    }

    /** Ends a client's session behind its back, as if it had expired. */
    void expire(CuratorFramework client) throws Exception {
        ZooKeeper zookeeper = client.getZookeeperClient().getZooKeeper();
        Object connected = new Object();
        boolean[] done = {false};
        Watcher watcher = (WatchedEvent event) -> {
            if (event.getState() != Watcher.Event.KeeperState.SyncConnected) return;
            synchronized (connected) {
                done[0] = true;
                connected.notifyAll();
            }
        };
        ZooKeeper thief = new ZooKeeper(connect, 30_000, watcher, zookeeper.getSessionId(), zookeeper.getSessionPasswd());
        synchronized (connected) {
            while (!done[0]) connected.wait();
        }
        thief.close();
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] data) {
        return data == null ? "null" : new String(data, StandardCharsets.UTF_8);
    }
}
