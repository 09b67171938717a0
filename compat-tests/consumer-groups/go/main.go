// Groups of KIP-848 with franz-go: members come and go under both assignors while records flow, and copy in transactions.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const partitions = 6

var bootstrap string

func check(err error, what string) {
	if err != nil {
		fmt.Println("FAILED", what+":", err)
		os.Exit(1)
	}
}

func require(ok bool, what string) {
	if !ok {
		fmt.Println("FAILED not so:", what)
		os.Exit(1)
	}
}

func await(what string, condition func() bool) {
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(10 * time.Millisecond) {
		require(time.Now().Before(end), "waited in vain for "+what)
	}
}

func options(group, topic string, more ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(group), kgo.ServerSideBalancer(), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RecordPartitioner(kgo.ManualPartitioner())}, more...)
}

func newClient(more ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner())}, more...)...)
	check(err, "client")
	return client
}

func create(ctx context.Context, client *kgo.Client, topic string) {
	request := kmsg.NewPtrCreateTopicsRequest()
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = topic, partitions, 1
	request.Topics = append(request.Topics, wanted)
	response, err := request.RequestWith(ctx, client)
	check(err, "create")
	check(kerr.ErrorForCode(response.Topics[0].ErrorCode), "create "+topic)
}

func produce(ctx context.Context, client *kgo.Client, topic, prefix string, from, count int) {
	for i := from; i < from+count; i++ {
		client.Produce(ctx, &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: []byte(prefix + strconv.Itoa(i))},
			func(_ *kgo.Record, err error) { check(err, "produce") })
	}
	check(client.Flush(ctx), "flush")
}

// The sum of a group's committed offsets.
func committed(ctx context.Context, client *kgo.Client, group string) (sum int64) {
	request := kmsg.NewPtrOffsetFetchRequest()
	wanted := kmsg.NewOffsetFetchRequestGroup()
	wanted.Group = group
	request.Groups = append(request.Groups, wanted)
	response, err := request.RequestWith(ctx, client)
	check(err, "committed offsets")
	if check(kerr.ErrorForCode(response.Groups[0].ErrorCode), "committed offsets"); len(response.Groups[0].Topics) == 0 {
		return 0
	}
	for _, one := range response.Groups[0].Topics[0].Partitions {
		sum += one.Offset
	}
	return sum
}

// What the members of a group have, and whose each partition is: never two members'.
type ownership struct {
	mutex  sync.Mutex
	owners map[int32]string
	values map[string]bool
}

func (all *ownership) shares() string {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	counts := map[string]int{}
	for _, owner := range all.owners {
		counts[owner]++
	}
	return fmt.Sprint(slices.Sorted(maps.Values(counts)))
}

type member struct {
	stop context.CancelFunc
	done chan struct{}
}

func (one *member) leave() {
	one.stop()
	<-one.done
}

func (all *ownership) join(group, topic, name string, balancer kgo.GroupBalancer) *member {
	ctx, stop := context.WithCancel(context.Background())
	one := &member{stop, make(chan struct{})}
	lost := func(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
		all.mutex.Lock()
		defer all.mutex.Unlock()
		for _, partition := range gone[topic] {
			require(all.owners[partition] == name, fmt.Sprint(partition, " was ", name, "'s"))
			delete(all.owners, partition)
		}
	}
	client := newClient(options(group, topic, kgo.Balancers(balancer), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsRevoked(lost), kgo.OnPartitionsLost(lost),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, added map[string][]int32) {
			all.mutex.Lock()
			defer all.mutex.Unlock()
			for _, partition := range added[topic] {
				owner, taken := all.owners[partition]
				require(!taken, fmt.Sprint(partition, " is ", owner, "'s, and ", name, " has it too"))
				all.owners[partition] = name
			}
		}))...)
	go func() {
		defer close(one.done)
		for ctx.Err() == nil {
			poll, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			fetches := client.PollFetches(poll)
			cancel()
			if len(fetches.Records()) > 0 {
				check(client.CommitUncommittedOffsets(context.Background()), "commit")
			}
			all.mutex.Lock()
			fetches.EachRecord(func(record *kgo.Record) { all.values[string(record.Value)] = true })
			all.mutex.Unlock()
			client.AllowRebalance()
		}
		client.CloseAllowingRebalance()
	}()
	return one
}

func comeAndGo(ctx context.Context, admin *kgo.Client, assignor string, balancer kgo.GroupBalancer) {
	topic, group := "franz-"+assignor, "franz-"+assignor
	create(ctx, admin, topic)
	var sent atomic.Int64
	flow, enough := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for flow.Err() == nil {
			produce(ctx, admin, topic, "", int(sent.Load()), partitions)
			sent.Add(partitions)
			time.Sleep(10 * time.Millisecond)
		}
	}()
	all := &ownership{owners: map[int32]string{}, values: map[string]bool{}}
	shares := func(wanted string) { await(wanted+" of "+group, func() bool { return all.shares() == wanted }) }
	first := all.join(group, topic, "first", balancer)
	shares("[6]")
	second := all.join(group, topic, "second", balancer)
	shares("[3 3]")
	third := all.join(group, topic, "third", balancer)
	shares("[2 2 2]")
	request := kmsg.NewPtrConsumerGroupDescribeRequest()
	request.Groups = []string{group}
	response, err := request.RequestWith(ctx, admin)
	check(err, "describe")
	described := response.Groups[0]
	require(described.ErrorCode == 0 && described.AssignorName == assignor && len(described.Members) == 3, fmt.Sprint("described: ", described))
	first.leave()
	shares("[3 3]")
	third.leave()
	shares("[6]")
	enough()
	<-stopped
	await("every record", func() bool {
		all.mutex.Lock()
		defer all.mutex.Unlock()
		return len(all.values) == int(sent.Load())
	})
	await("all commits", func() bool { return committed(ctx, admin, group) == sent.Load() })
	second.leave()
	require(len(all.owners) == 0, "all was given back")
}

func copier(id string, copied, aborted *atomic.Int64) *member {
	ctx, stop := context.WithCancel(context.Background())
	one := &member{stop, make(chan struct{})}
	session, err := kgo.NewGroupTransactSession(options("franz-copiers", "franz-source", kgo.TransactionalID(id),
		kgo.Balancers(kgo.StickyBalancer()), kgo.RequireStableFetchOffsets())...)
	check(err, "session")
	go func() {
		defer close(one.done)
		defer session.Close()
		for turn := 0; ctx.Err() == nil; {
			poll, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			records := session.PollRecords(poll, 50).Records()
			cancel()
			if len(records) == 0 {
				continue
			}
			turn++
			commit := turn%3 != 0
			check(session.Begin(), "begin")
			for _, record := range records {
				value := map[bool]string{true: "", false: "aborted "}[commit] + string(record.Value)
				session.Produce(context.Background(), &kgo.Record{Topic: "franz-target", Partition: record.Partition, Value: []byte(value)},
					func(_ *kgo.Record, err error) {
						if err != nil && !errors.Is(err, kgo.ErrAborting) {
							check(err, "produce")
						}
					})
			}
			ended, err := session.End(context.Background(), kgo.TransactionEndTry(commit))
			if check(err, "end"); ended {
				copied.Add(int64(len(records)))
			} else {
				aborted.Add(1)
			}
		}
	}()
	return one
}

func transactions(ctx context.Context, admin *kgo.Client) int64 {
	const total = 3000
	create(ctx, admin, "franz-source")
	create(ctx, admin, "franz-target")
	var copied, aborted atomic.Int64
	produce(ctx, admin, "franz-source", "", 0, total/2)
	first := copier("franz-first", &copied, &aborted)
	await("a part", func() bool { return copied.Load() > total/6 })
	second := copier("franz-second", &copied, &aborted)
	await("half", func() bool { return copied.Load() >= total/2 })
	produce(ctx, admin, "franz-source", "", total/2, total/2)
	first.leave()
	await("all", func() bool { return copied.Load() == total })
	second.leave()
	require(committed(ctx, admin, "franz-copiers") == total, "the offsets are at the ends")

	produce(ctx, admin, "franz-target", "last ", 0, partitions) // a last record in each
	reader := newClient(kgo.ConsumeTopics("franz-target"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	defer reader.Close()
	values, count := map[string]bool{}, 0
	for last := 0; last < partitions; {
		reader.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
			if value := string(record.Value); strings.HasPrefix(value, "last") {
				last++
			} else {
				require(!strings.HasPrefix(value, "aborted"), "nothing that was aborted is read")
				values[value] = true
				count++
			}
		})
	}
	require(len(values) == total && count == total, fmt.Sprint("each record once: ", count, " and ", len(values), " of ", total))
	return aborted.Load()
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	bootstrap = os.Args[1]
	admin := newClient()
	var tasks sync.WaitGroup
	tasks.Go(func() { comeAndGo(ctx, admin, "uniform", kgo.StickyBalancer()) })
	tasks.Go(func() { comeAndGo(ctx, admin, "range", kgo.RangeBalancer()) })
	aborted := transactions(ctx, admin)
	tasks.Wait()
	admin.Close()
	require(aborted > 0, "some were aborted")
	fmt.Println("franz-go groups done,", aborted, "transactions aborted")
}
