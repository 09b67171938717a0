// Transactions with franz-go: sessions of one group copy a topic, come and go, and abort now and then.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"milena/compat/must"
)

const (
	partitions = 6
	source     = "go-source"
	target     = "go-target"
	group      = "go-copiers"
)

func newClient(bootstrap string, options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner())}, options...)...)
	must.Succeed(err, "client")
	return client
}

func createTopics(ctx context.Context, client *kgo.Client) {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 30000
	for _, name := range []string{source, target} {
		wanted := kmsg.NewCreateTopicsRequestTopic()
		wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = name, partitions, 1
		request.Topics = append(request.Topics, wanted)
	}
	response, err := request.RequestWith(ctx, client)
	must.Succeed(err, "create")
	for _, one := range response.Topics {
		must.Succeed(kerr.ErrorForCode(one.ErrorCode), "create "+one.Topic)
	}
}

// One transaction of `count` records, which is all that read_committed may see at once.
func fill(ctx context.Context, bootstrap string, from, count int) {
	client := newClient(bootstrap, kgo.TransactionalID("go-source"))
	defer client.Close()
	must.Succeed(client.BeginTransaction(), "begin")
	for i := from; i < from+count; i++ {
		client.Produce(ctx, &kgo.Record{Topic: source, Partition: int32(i % partitions), Value: []byte(strconv.Itoa(i))},
			func(_ *kgo.Record, err error) { must.Succeed(err, "produce") })
	}
	must.Succeed(client.Flush(ctx), "flush")
	must.Succeed(client.EndTransaction(ctx, kgo.TryCommit), "commit")
}

type copier struct {
	copied, aborted *int64
	stop            context.CancelFunc
	done            chan struct{}
}

func startCopier(bootstrap, id string, copied, aborted *int64) *copier {
	ctx, stop := context.WithCancel(context.Background())
	one := &copier{copied, aborted, stop, make(chan struct{})}
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(bootstrap), kgo.TransactionalID(id), kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(source), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(), kgo.HeartbeatInterval(200*time.Millisecond), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	must.Succeed(err, "session")
	go func() {
		defer close(one.done)
		defer session.Close()
		for turn := 0; ctx.Err() == nil; {
			poll, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			records := session.PollRecords(poll, 50).Records()
			cancel()
			if len(records) == 0 {
				continue
			}
			turn++
			one.transact(session, records, turn%3 != 0)
		}
	}()
	return one
}

func (one *copier) transact(session *kgo.GroupTransactSession, records []*kgo.Record, commit bool) {
	ctx := context.Background()
	must.Succeed(session.Begin(), "begin")
	prefix := map[bool]string{true: "", false: "aborted "}[commit]
	for _, record := range records {
		session.Produce(ctx, &kgo.Record{Topic: target, Partition: record.Partition, Value: []byte(prefix + string(record.Value))},
			func(_ *kgo.Record, err error) {
				// A session that lost its partitions amid a transaction drops what it has, and aborts.
				if err != nil && !errors.Is(err, kgo.ErrAborting) {
					must.Succeed(err, "produce")
				}
			})
	}
	committed, err := session.End(ctx, kgo.TransactionEndTry(commit))
	must.Succeed(err, "end")
	must.Hold(commit || !committed, "an abort doesn't commit")
	if committed {
		atomic.AddInt64(one.copied, int64(len(records)))
	} else {
		atomic.AddInt64(one.aborted, 1)
	}
}

func (one *copier) leave() {
	one.stop()
	<-one.done
}

func await(what string, condition func() bool) {
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(10 * time.Millisecond) {
		must.Hold(time.Now().Before(end), "waited in vain for "+what)
	}
}

// All values up to the ends that an isolation level sees; a last transaction gives each partition a record to end at.
func read(ctx context.Context, bootstrap, mark string, isolation kgo.IsolationLevel) (values []string) {
	writer := newClient(bootstrap, kgo.TransactionalID("go-last"))
	must.Succeed(writer.BeginTransaction(), "begin")
	for partition := int32(0); partition < partitions; partition++ {
		must.Succeed(writer.ProduceSync(ctx, &kgo.Record{Topic: target, Partition: partition, Value: []byte(mark)}).FirstErr(), "mark")
	}
	must.Succeed(writer.EndTransaction(ctx, kgo.TryCommit), "commit")
	writer.Close()
	reader := newClient(bootstrap, kgo.ConsumeTopics(target), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(isolation))
	defer reader.Close()
	for marks := 0; marks < partitions; {
		fetches := reader.PollFetches(ctx)
		fetches.EachError(func(_ string, _ int32, err error) { must.Succeed(err, "fetch") })
		fetches.EachRecord(func(record *kgo.Record) {
			if value := string(record.Value); value == mark {
				marks++
			} else if !strings.HasPrefix(value, "last") {
				values = append(values, value)
			}
		})
	}
	return values
}

// Committed offset of each partition of the source.
func committed(ctx context.Context, client *kgo.Client) map[int32]int64 {
	request := kmsg.NewPtrOffsetFetchRequest()
	wanted := kmsg.NewOffsetFetchRequestGroup()
	wanted.Group = group
	request.Groups, request.RequireStable = append(request.Groups, wanted), true
	response, err := request.RequestWith(ctx, client)
	must.Succeed(err, "committed offsets")
	must.Succeed(kerr.ErrorForCode(response.Groups[0].ErrorCode), "committed offsets")
	offsets := map[int32]int64{}
	for _, one := range response.Groups[0].Topics[0].Partitions {
		offsets[one.Partition] = one.Offset
	}
	return offsets
}

// Of two producers with one id the older one is fenced.
func fence(ctx context.Context, bootstrap string) {
	old, heir := newClient(bootstrap, kgo.TransactionalID("go-fenced")), newClient(bootstrap, kgo.TransactionalID("go-fenced"))
	defer old.Close()
	defer heir.Close()
	must.Succeed(old.BeginTransaction(), "begin")
	must.Succeed(old.ProduceSync(ctx, &kgo.Record{Topic: source + "-fenced", Value: []byte("old")}).FirstErr(), "produce")
	// What the older one has open is aborted first; until that is over franz-go says that it has no producer id.
	await("the heir's turn", func() bool { return heir.BeginTransaction() == nil })
	must.Succeed(heir.ProduceSync(ctx, &kgo.Record{Topic: source + "-fenced", Value: []byte("heir")}).FirstErr(), "produce")
	err := old.EndTransaction(ctx, kgo.TryCommit)
	must.Hold(errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch), fmt.Sprint("the older one is fenced: ", err))
	must.Succeed(heir.EndTransaction(ctx, kgo.TryCommit), "commit")
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	bootstrap := os.Args[1]
	total, _ := strconv.Atoi(os.Args[2])
	admin := newClient(bootstrap, kgo.AllowAutoTopicCreation())
	createTopics(ctx, admin)

	var fenced sync.WaitGroup
	fenced.Add(1)
	must.Succeed(admin.ProduceSync(ctx, &kgo.Record{Topic: source + "-fenced", Value: []byte("first")}).FirstErr(), "produce")
	go func() { defer fenced.Done(); fence(ctx, bootstrap) }()

	var copied, aborted int64
	enough := func(share int) func() bool {
		return func() bool { return atomic.LoadInt64(&copied) >= int64(total*share/4) }
	}
	first := startCopier(bootstrap, "go-copier-1", &copied, &aborted)
	fill(ctx, bootstrap, 0, total/2)
	await("a quarter", enough(1))
	second := startCopier(bootstrap, "go-copier-2", &copied, &aborted)
	await("half", enough(2))
	first.leave()
	fill(ctx, bootstrap, total/2, total-total/2)
	third := startCopier(bootstrap, "go-copier-3", &copied, &aborted)
	await("all", enough(4))
	second.leave()
	third.leave()
	fenced.Wait()

	values := read(ctx, bootstrap, "last committed", kgo.ReadCommitted())
	distinct := map[string]bool{}
	for _, value := range values {
		must.Hold(!strings.HasPrefix(value, "aborted"), "nothing that was aborted is read")
		distinct[value] = true
	}
	must.Hold(len(values) == total && len(distinct) == total && copied == int64(total),
		fmt.Sprint("each record once: ", len(values), " and ", len(distinct), " of ", total, ", copied ", copied))
	all := read(ctx, bootstrap, "last of all", kgo.ReadUncommitted())
	must.Hold(aborted > 0 && len(all) > total, "whoever doesn't care reads the aborted ones too")
	sum := int64(0)
	for _, offset := range committed(ctx, admin) {
		sum += offset
	}
	// Each of the two transactions that filled it left a marker in each partition, the last of which nobody has to commit.
	must.Hold(sum >= int64(total+partitions) && sum <= int64(total+2*partitions), fmt.Sprint("the offsets are at the ends: ", sum))
	admin.Close()
	fmt.Println("franz-go transactions done,", total, "records,", aborted, "transactions aborted")
}
