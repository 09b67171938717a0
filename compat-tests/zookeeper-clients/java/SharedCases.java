import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.atomic.PromotedToLock;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.leader.Participant;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.retry.RetryNTimes;

/** Leaders, locks, counters, barriers: several clients each. */
class SharedCases {
    interface Body {
        void run(CuratorFramework client, int number) throws Exception;
    }

    private static void each(Recipes recipes, int count, Body body) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(count);
        List<Future<?>> done = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            CuratorFramework client = recipes.client();
            int number = i;
            done.add(pool.submit((Callable<Void>) () -> {
                body.run(client, number);
                return null;
            }));
        }
        for (Future<?> one : done) one.get(120, TimeUnit.SECONDS);
        pool.shutdown();
    }

    static void leader_latch(Recipes recipes) throws Exception {
        List<CuratorFramework> clients = new ArrayList<>();
        List<LeaderLatch> latches = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            clients.add(recipes.client());
            LeaderLatch latch = new LeaderLatch(clients.get(i), "/latch", "candidate-" + i);
            latches.add(latch);
            latch.start();
            int wanted = i + 1;
            recipes.wait_for("candidates: " + wanted, () -> latches.get(0).getParticipants().size() == wanted);
        }
        latches.get(0).await();
        recipes.say("leader " + latches.get(3).getLeader().getId());
        latches.get(0).close();
        latches.get(1).await();
        recipes.say("after a close " + latches.get(3).getLeader().getId());
        recipes.expire(clients.get(1));
        latches.get(2).await();
        recipes.say("after an expired session " + latches.get(3).getLeader().getId());
        recipes.wait_for("the expired one stands again", () -> latches.get(3).getParticipants().size() == 3);
        List<String> names = new ArrayList<>();
        for (Participant one : latches.get(3).getParticipants()) names.add(one.getId() + (one.isLeader() ? " leads" : ""));
        recipes.say(names.toString());
        for (int i = 1; i < 4; i++) latches.get(i).close();
    }

    static void leader_selector(Recipes recipes) throws Exception {
        List<Integer> led = Collections.synchronizedList(new ArrayList<>());
        AtomicInteger leaders = new AtomicInteger();
        CountDownLatch all = new CountDownLatch(6);
        List<LeaderSelector> selectors = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            int number = i;
            LeaderSelector selector = new LeaderSelector(recipes.client(), "/selector", new LeaderSelectorListenerAdapter() {
                @Override
                public void takeLeadership(CuratorFramework client) {
                    if (leaders.incrementAndGet() != 1) recipes.say("two leaders");
                    led.add(number);
                    leaders.decrementAndGet();
                    all.countDown();
                }
            });
            selector.autoRequeue();
            selectors.add(selector);
            selector.start();
        }
        recipes.say("" + all.await(60, TimeUnit.SECONDS));
        for (LeaderSelector selector : selectors) selector.close();
        recipes.say("leaders in turn " + (led.size() >= 6));
    }

    static void mutex(Recipes recipes) throws Exception {
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger rounds = new AtomicInteger();
        each(recipes, 4, (client, number) -> {
            InterProcessMutex lock = new InterProcessMutex(client, "/mutex");
            for (int i = 0; i < 5; i++) {
                lock.acquire();
                lock.acquire();
                if (inside.incrementAndGet() != 1) recipes.say("two hold the lock");
                rounds.incrementAndGet();
                inside.decrementAndGet();
                lock.release();
                lock.release();
            }
        });
        recipes.say("rounds " + rounds);
        CuratorFramework holder = recipes.client();
        CuratorFramework waiter = recipes.client();
        InterProcessMutex held = new InterProcessMutex(holder, "/mutex");
        InterProcessMutex wanted = new InterProcessMutex(waiter, "/mutex");
        held.acquire();
        recipes.say("in vain " + wanted.acquire(100, TimeUnit.MILLISECONDS));
        recipes.say("waiting " + held.getParticipantNodes().size());
        recipes.expire(holder);
        recipes.say("after the holder's session " + wanted.acquire(60, TimeUnit.SECONDS));
        wanted.release();
        recipes.say("" + Recipes.outcome(() -> {
            wanted.release();
            return "released";
        }));
    }

    static void read_write_lock(Recipes recipes) throws Exception {
        InterProcessReadWriteLock one = new InterProcessReadWriteLock(recipes.client(), "/rw");
        InterProcessReadWriteLock two = new InterProcessReadWriteLock(recipes.client(), "/rw");
        recipes.say("read " + one.readLock().acquire(60, TimeUnit.SECONDS) + two.readLock().acquire(60, TimeUnit.SECONDS));
        recipes.say("write " + two.writeLock().acquire(50, TimeUnit.MILLISECONDS));
        one.readLock().release();
        two.readLock().release();
        recipes.say("write " + two.writeLock().acquire(60, TimeUnit.SECONDS) + two.readLock().acquire(60, TimeUnit.SECONDS));
        recipes.say("read " + one.readLock().acquire(50, TimeUnit.MILLISECONDS));
        two.writeLock().release();
        recipes.say("read " + one.readLock().acquire(60, TimeUnit.SECONDS));
    }

    static void semaphore(Recipes recipes) throws Exception {
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger rounds = new AtomicInteger();
        each(recipes, 4, (client, number) -> {
            InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(client, "/semaphore", 2);
            for (int i = 0; i < 4; i++) {
                Lease lease = semaphore.acquire();
                if (inside.incrementAndGet() > 2) recipes.say("three are inside");
                rounds.incrementAndGet();
                inside.decrementAndGet();
                semaphore.returnLease(lease);
            }
        });
        recipes.say("rounds " + rounds);
    }

    static void atomic_long(Recipes recipes) throws Exception {
        AtomicInteger failed = new AtomicInteger();
        each(recipes, 4, (client, number) -> {
            PromotedToLock lock = PromotedToLock.builder().lockPath("/atomic-lock").retryPolicy(new RetryNTimes(100, 5)).build();
            DistributedAtomicLong counter = new DistributedAtomicLong(client, "/atomic", new RetryNTimes(3, 1), lock);
            for (int i = 0; i < 25; i++) {
                if (!counter.add(2L).succeeded()) failed.incrementAndGet();
            }
        });
        DistributedAtomicLong counter = new DistributedAtomicLong(recipes.client(), "/atomic", new RetryNTimes(3, 1));
        AtomicValue<Long> value = counter.get();
        recipes.say("failed " + failed + " value " + value.postValue());
        recipes.say("" + counter.compareAndSet(200L, 7L).succeeded() + counter.compareAndSet(200L, 8L).succeeded());
        recipes.say("" + counter.decrement().postValue());
    }

    static void counter_and_barriers(Recipes recipes) throws Exception {
        try (SharedCount one = new SharedCount(recipes.client(), "/count", 10);
                SharedCount two = new SharedCount(recipes.client(), "/count", 20)) {
            one.start();
            two.start();
            recipes.say("" + one.getCount() + " " + two.getCount());
            recipes.say("" + one.trySetCount(one.getVersionedValue(), 11));
            recipes.wait_for("the other sees it", () -> two.getCount() == 11);
        }
        CuratorFramework keeper = recipes.client();
        DistributedBarrier barrier = new DistributedBarrier(keeper, "/barrier");
        barrier.setBarrier();
        AtomicInteger through = new AtomicInteger();
        CountDownLatch waiting = new CountDownLatch(3);
        Thread opener = new Thread(() -> {
            try {
                waiting.await();
                if (through.get() != 0) recipes.say("through a closed barrier");
                barrier.removeBarrier();
            } catch (Exception problem) {
                recipes.say("" + problem);
            }
        });
        opener.start();
        each(recipes, 3, (client, number) -> {
            waiting.countDown();
            new DistributedBarrier(client, "/barrier").waitOnBarrier();
            through.incrementAndGet();
        });
        opener.join();
        recipes.say("through " + through);
        AtomicInteger entered = new AtomicInteger();
        each(recipes, 3, (client, number) -> {
            DistributedDoubleBarrier doors = new DistributedDoubleBarrier(client, "/doors", 3);
            entered.incrementAndGet();
            doors.enter();
            if (entered.get() != 3) recipes.say("entered before all were there");
            doors.leave();
        });
        recipes.say("left " + entered);
    }

    static void group(Recipes recipes) throws Exception {
        CuratorFramework second = recipes.client();
        GroupMember one = new GroupMember(recipes.client(), "/group", "one", Recipes.bytes("1"));
        GroupMember two = new GroupMember(second, "/group", "two", Recipes.bytes("2"));
        one.start();
        two.start();
        recipes.wait_for("both are members", () -> one.getCurrentMembers().size() == 2 && two.getCurrentMembers().size() == 2);
        recipes.say(Recipes.text(one.getCurrentMembers().get("two")));
        two.close();
        recipes.wait_for("one is left", () -> one.getCurrentMembers().keySet().toString().equals("[one]"));
        one.close();
    }
}
