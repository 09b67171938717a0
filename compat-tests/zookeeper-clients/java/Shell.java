import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.zookeeper.ZooKeeperMain;
import org.apache.zookeeper.util.ServiceUtils;

/**
 * zkCli, line by line. What a command prints and what its watches print come from different threads and would mix as
 * they like; here they are kept apart. A line `[N] command` waits until N more events were printed.
 */
class Shell {
    private static final Map<Boolean, ByteArrayOutputStream> PRINTED = new ConcurrentHashMap<>();

    private static final long GUARD_MS = Long.getLong("guard.ms", 60_000);

    private static class ByThread extends OutputStream {
        @Override
        public void write(int value) {
            write(new byte[] {(byte) value}, 0, 1);
        }

        @Override
        public void write(byte[] data, int offset, int length) {
            synchronized (PRINTED) {
                PRINTED.get(Thread.currentThread().getName().contains("EventThread")).write(data, offset, length);
                PRINTED.notifyAll();
            }
        }
    }

    /** Before the first class of ZooKeeper is loaded: its commands keep the streams that they saw first. */
    static void capture() {
        PRINTED.put(true, new ByteArrayOutputStream());
        PRINTED.put(false, new ByteArrayOutputStream());
        System.setOut(new PrintStream(new ByThread(), true));
        PrintStream log = System.err;
        System.setErr(new PrintStream(new ByThread(), true) {
            @Override
            public void println(Object text) {
                if (text instanceof Throwable) log.println(text);
                else super.println(text);
            }
        });
        ServiceUtils.setSystemExitProcedure(code -> System.out.println("exit " + code));
    }

    private static List<String> take(boolean events) {
        synchronized (PRINTED) {
            List<String> lines = new ArrayList<>();
            for (String line : PRINTED.get(events).toString().split("\n")) {
                if (!line.isBlank() && !line.equals("WATCHER::")) lines.add((events ? "  event " : "  ") + line);
            }
            PRINTED.get(events).reset();
            return lines;
        }
    }

    private static int events() {
        return PRINTED.get(true).toString().split("WatchedEvent.*\n", -1).length - 1;
    }

    private static List<String> take_events(int count) throws InterruptedException {
        synchronized (PRINTED) {
            long end = System.currentTimeMillis() + GUARD_MS;
            while (events() < count) {
                if (System.currentTimeMillis() > end) return List.of("  only " + events() + " events came");
                PRINTED.wait(GUARD_MS);
            }
        }
        return take(true);
    }

    static List<String> run(String connect, List<String> script) throws Exception {
        List<String> out = new ArrayList<>();
        ZooKeeperMain main = new ZooKeeperMain(new String[] {"-server", connect, "-waitforconnection", "-timeout", "30000"});
        take_events(1);
        take(false);
        for (String line : script) {
            if (line.isBlank() || line.startsWith("#")) continue;
            int events = line.startsWith("[") ? Integer.parseInt(line.substring(1, line.indexOf(']'))) : 0;
            String command = line.substring(line.indexOf("] ") < 0 || events == 0 ? 0 : line.indexOf("] ") + 2);
            command = command.replace("SERVER", connect);
            out.add("> " + command);
            try {
                main.executeLine(command);
            } catch (Throwable problem) {
                out.add("  thrown " + problem);
            }
            out.addAll(take(false));
            out.addAll(take_events(events));
        }
        return out;
    }
}
