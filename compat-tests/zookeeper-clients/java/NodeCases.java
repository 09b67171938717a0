import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.CuratorEvent;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;

/** Nodes, transactions, node types, ACLs. */
class NodeCases {
    static String stat(Stat stat) {
        return stat == null ? "none" : "version " + stat.getVersion() + " cversion " + stat.getCversion() + " aversion "
                + stat.getAversion() + " length " + stat.getDataLength() + " children " + stat.getNumChildren();
    }

    static List<String> children(CuratorFramework client, String path) throws Exception {
        List<String> children = new ArrayList<>(client.getChildren().forPath(path));
        Collections.sort(children);
        return children;
    }

    static void nodes(Recipes recipes) throws Exception {
        CuratorFramework client = recipes.client();
        recipes.say(client.create().creatingParentsIfNeeded().forPath("/curator/a/b", Recipes.bytes("data")));
        recipes.say("" + Recipes.outcome(() -> client.create().forPath("/curator/a/b")));
        recipes.say(client.create().orSetData().forPath("/curator/a/b", Recipes.bytes("other")));
        recipes.say(Recipes.text(client.getData().forPath("/curator/a/b")));
        recipes.say(client.create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath("/curator/a/s-"));
        recipes.say(client.create().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath("/curator/a/e-"));
        recipes.say(client.create().withProtection().withMode(CreateMode.EPHEMERAL).forPath("/curator/a/safe")
                .replaceAll("_c_[-0-9a-f]{36}", "_c_<id>"));
        recipes.say(children(client, "/curator/a").toString().replaceAll("_c_[-0-9a-f]{36}", "_c_<id>"));
        Stat stat = new Stat();
        client.getData().storingStatIn(stat).forPath("/curator/a/b");
        recipes.say(stat(stat) + " zxids in order " + (stat.getCzxid() < stat.getMzxid()));
        recipes.say(stat(client.setData().withVersion(1).forPath("/curator/a/b", Recipes.bytes("third"))));
        recipes.say("" + Recipes.outcome(() -> client.setData().withVersion(1).forPath("/curator/a/b", new byte[0])));
        recipes.say(stat(client.checkExists().forPath("/curator/none")));
        recipes.say("" + Recipes.outcome(() -> client.delete().forPath("/curator/a")));
        CountDownLatch done = new CountDownLatch(1);
        client.create().inBackground((CuratorFramework from, CuratorEvent event) -> {
            recipes.say(event.getType() + " " + event.getResultCode() + " " + event.getPath());
            done.countDown();
        }).forPath("/curator/background");
        done.await();
        client.delete().guaranteed().deletingChildrenIfNeeded().forPath("/curator");
        recipes.say(stat(client.checkExists().forPath("/curator")));
        byte[] large = new byte[900_000];
        client.create().forPath("/large", large);
        recipes.say("" + client.getData().forPath("/large").length);
        client.delete().quietly().forPath("/large");
        client.delete().quietly().forPath("/large");
    }

    private static void results(Recipes recipes, List<CuratorTransactionResult> results) {
        for (CuratorTransactionResult result : results) {
            recipes.say(result.getType() + " " + result.getForPath() + " -> " + result.getResultPath() + " "
                    + stat(result.getResultStat()) + " error " + result.getError());
        }
    }

    static void transactions(Recipes recipes) throws Exception {
        CuratorFramework client = recipes.client();
        results(recipes, client.transaction().forOperations(
                client.transactionOp().create().forPath("/tx", Recipes.bytes("1")),
                client.transactionOp().create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath("/tx/s-"),
                client.transactionOp().create().withMode(CreateMode.EPHEMERAL).forPath("/tx/e"),
                client.transactionOp().setData().withVersion(0).forPath("/tx", Recipes.bytes("2")),
                client.transactionOp().check().withVersion(1).forPath("/tx"),
                client.transactionOp().delete().forPath("/tx/e")));
        recipes.say("" + Recipes.outcome(() -> client.transaction().forOperations(
                client.transactionOp().create().forPath("/tx/x"),
                client.transactionOp().check().withVersion(7).forPath("/tx"),
                client.transactionOp().delete().forPath("/tx/none"))));
        recipes.say("" + Recipes.outcome(() -> client.transaction().forOperations(
                client.transactionOp().delete().forPath("/tx"))));
        recipes.say(children(client, "/tx") + " " + Recipes.text(client.getData().forPath("/tx")));
        client.delete().deletingChildrenIfNeeded().forPath("/tx");
    }

    static void ttl_and_containers(Recipes recipes) throws Exception {
        CuratorFramework client = recipes.client();
        recipes.say(client.create().withTtl(50).creatingParentContainersIfNeeded()
                .withMode(CreateMode.PERSISTENT_WITH_TTL).forPath("/box/short"));
        recipes.say(client.create().withTtl(3_600_000).withMode(CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)
                .forPath("/box/long-"));
        recipes.say(Long.toHexString(client.checkExists().forPath("/box/long-0000000001").getEphemeralOwner()));
        recipes.say(Long.toHexString(client.checkExists().forPath("/box").getEphemeralOwner()));
        recipes.wait_for("short TTL gone", () -> client.checkExists().forPath("/box/short") == null);
        recipes.say(children(client, "/box").toString());
        client.delete().forPath("/box/long-0000000001");
        recipes.wait_for("container gone", () -> client.checkExists().forPath("/box") == null);
        client.createContainers("/never/used");
        recipes.say(Long.toHexString(client.checkExists().forPath("/never/used").getEphemeralOwner()));
        // A TTL node with children stays until they are gone.
        client.create().withTtl(50).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath("/full");
        client.create().forPath("/full/child");
        client.create().withTtl(50).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath("/beside");
        recipes.wait_for("the one beside gone", () -> client.checkExists().forPath("/beside") == null);
        recipes.say("" + (client.checkExists().forPath("/full") != null));
        client.delete().forPath("/full/child");
        recipes.wait_for("the emptied one gone", () -> client.checkExists().forPath("/full") == null);
        recipes.say("" + Recipes.outcome(() -> client.create().withTtl(1L << 41)
                .withMode(CreateMode.PERSISTENT_WITH_TTL).forPath("/too-long")));
        client.delete().deletingChildrenIfNeeded().forPath("/never");
    }

    static void access(Recipes recipes) throws Exception {
        CuratorFramework owner = recipes.started(CuratorFrameworkFactory.builder()
                .authorization("digest", Recipes.bytes("me:secret")));
        CuratorFramework other = recipes.client();
        owner.create().withACL(ZooDefs.Ids.CREATOR_ALL_ACL).forPath("/mine", Recipes.bytes("private"));
        recipes.say("" + Recipes.outcome(() -> other.getData().forPath("/mine")));
        recipes.say("" + Recipes.outcome(() -> other.setACL().withACL(ZooDefs.Ids.OPEN_ACL_UNSAFE).forPath("/mine")));
        recipes.say("" + Recipes.outcome(() -> other.create().forPath("/mine/child")));
        recipes.say(owner.getACL().forPath("/mine").toString());
        List<ACL> both = List.of(new ACL(ZooDefs.Perms.READ, new Id("world", "anyone")),
                new ACL(ZooDefs.Perms.ALL, new Id("auth", "")));
        recipes.say(stat(owner.setACL().withACL(both).forPath("/mine")));
        recipes.say(Recipes.text(other.getData().forPath("/mine")));
        recipes.say("" + other.getACL().forPath("/mine"));
        recipes.say("" + Recipes.outcome(() -> other.setData().forPath("/mine", new byte[1])));
        recipes.say("" + Recipes.outcome(() -> other.create().withACL(ZooDefs.Ids.CREATOR_ALL_ACL).forPath("/anonymous")));
        owner.delete().forPath("/mine");
    }
}
