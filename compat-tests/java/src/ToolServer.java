import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command line tools one after the other inside one JVM, since starting a JVM costs more than the tools do.
 * Request on stdin: int32 count, then strings (int32 length + bytes): main class, standard input, arguments.
 * Answer on stdout: int32 exit code, standard output, standard error.
 */
public class ToolServer {
    static class Ended extends Error {
        final int code;

        Ended(int code) {
            super("exit " + code, null, false, false);
            this.code = code;
        }
    }

    private static byte[] bytes(DataInputStream in) throws IOException {
        byte[] content = new byte[in.readInt()];
        in.readFully(content);
        return content;
    }

    private static int run(String name, String[] arguments) throws Throwable {
        int[] first = {-1};
        Exit.setExitProcedure((code, message) -> {
            if (first[0] < 0) first[0] = code;
            throw new Ended(code);
        });
        Exit.setHaltProcedure((code, message) -> {
            if (first[0] < 0) first[0] = code;
            throw new Ended(code);
        });
        // The console producer sends its last batch in its shutdown hook.
        List<Runnable> hooks = new ArrayList<>();
        Exit.setShutdownHookAdder((hook, runnable) -> hooks.add(runnable));
        try {
            Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException wrapped) {
            if (!(wrapped.getCause() instanceof Ended) && first[0] < 0) {
                wrapped.getCause().printStackTrace();
                return 1;
            }
        }
        for (Runnable hook : hooks) hook.run();
        return first[0] < 0 ? 0 : first[0];
    }

    public static void main(String[] unused) throws Throwable {
        DataInputStream in = new DataInputStream(System.in);
        DataOutputStream out = new DataOutputStream(System.out);
        while (true) {
            int count;
            try {
                count = in.readInt();
            } catch (EOFException end) {
                Runtime.getRuntime().halt(0);
                return;
            }
            String name = new String(bytes(in), "UTF-8");
            byte[] stdin = bytes(in);
            String[] arguments = new String[count - 2];
            for (int i = 0; i < arguments.length; i++) arguments[i] = new String(bytes(in), "UTF-8");
            ByteArrayOutputStream stdout = new ByteArrayOutputStream();
            ByteArrayOutputStream stderr = new ByteArrayOutputStream();
            PrintStream realError = System.err;
            System.setIn(new ByteArrayInputStream(stdin));
            System.setOut(new PrintStream(stdout, true, "UTF-8"));
            System.setErr(new PrintStream(stderr, true, "UTF-8"));
            int[] code = {1};
            // A thread of its own, so that a context class loader or interrupt never reaches the next tool.
            Thread runner = new Thread(() -> scalaConsole(stdout, stderr, () -> {
                try {
                    code[0] = run(name, arguments);
                } catch (Throwable problem) {
                    problem.printStackTrace();
                }
            }));
            runner.start();
            runner.join();
            System.out.flush();
            System.err.flush();
            System.setErr(realError);
            out.writeInt(code[0]);
            out.writeInt(stdout.size());
            stdout.writeTo(out);
            out.writeInt(stderr.size());
            stderr.writeTo(out);
            out.flush();
        }
    }

    /** Scala's println keeps the stream that it saw first, unless told otherwise for the length of a call. */
    private static void scalaConsole(ByteArrayOutputStream stdout, ByteArrayOutputStream stderr, Runnable body) {
        try {
            Class.forName("scala.Console");
        } catch (ClassNotFoundException none) {
            body.run();
            return;
        }
        ScalaConsole.with(stdout, stderr, body);
    }
}
