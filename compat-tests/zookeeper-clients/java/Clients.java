import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * zkCli's main class and Curator's recipes against two servers in one JVM.
 * Arguments: script of zkCli, then for each server host:port and a file for what came of it.
 */
public class Clients {
    public static void main(String[] arguments) throws Exception {
        List<String> script = Files.readAllLines(Path.of(arguments[0]));
        Shell.capture();
        for (int i = 1; i + 1 < arguments.length; i += 2) {
            Files.write(Path.of(arguments[i + 1] + ".zkcli"), Shell.run(arguments[i], script));
        }
        List<Thread> threads = new ArrayList<>();
        for (int i = 1; i + 1 < arguments.length; i += 2) {
            String connect = arguments[i];
            Path file = Path.of(arguments[i + 1] + ".curator");
            threads.add(new Thread(() -> {
                try {
                    Files.write(file, Recipes.run(connect));
                } catch (Throwable problem) {
                    problem.printStackTrace();
                }
            }));
        }
        for (Thread thread : threads) thread.start();
        for (Thread thread : threads) thread.join();
        Runtime.getRuntime().halt(0);
    }
}
