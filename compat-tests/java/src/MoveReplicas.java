import java.util.Collections;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.TopicPartitionReplica;

/** Admin.alterReplicaLogDirs for one partition of broker 0; prints "ok" or the name of the exception. */
public class MoveReplicas {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        TopicPartitionReplica replica = new TopicPartitionReplica(arguments[1], Integer.parseInt(arguments[2]), 0);
        try (Admin admin = Admin.create(properties)) {
            admin.alterReplicaLogDirs(Collections.singletonMap(replica, arguments[3])).all().get();
            System.out.println("ok");
        } catch (ExecutionException failure) {
            System.out.println(failure.getCause().getClass().getSimpleName());
        }
    }
}
