// Idempotent producers, groups with every balance strategy while records flow, and transactions, with sarama.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"milena/compat/must"
)

const (
	partitions = 4
	codecs     = 5
	topic      = "from-sarama"
)

var bootstrap []string

func await(what string, condition func() bool) {
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(20 * time.Millisecond) {
		must.Hold(time.Now().Before(end), "waited in vain for "+what)
	}
}

func newConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	config.Producer.Return.Errors = true
	config.Net.MaxOpenRequests = 1
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	return config
}

func produce(count int) {
	for codec := sarama.CompressionNone; codec < codecs; codec++ {
		config := newConfig()
		config.Producer.Compression = codec
		producer, err := sarama.NewSyncProducer(bootstrap, config)
		must.Succeed(err, "producer")
		offsets := map[string]bool{}
		for from := 0; from < count; from += 100 {
			messages := []*sarama.ProducerMessage{}
			for i := from; i < from+100 && i < count; i++ {
				messages = append(messages, &sarama.ProducerMessage{Topic: topic, Partition: int32(i % partitions),
					Value: sarama.StringEncoder(codec.String() + " " + strconv.Itoa(i))})
			}
			must.Succeed(producer.SendMessages(messages), "send")
			for _, message := range messages {
				offsets[fmt.Sprint(message.Partition, " ", message.Offset)] = true
			}
		}
		must.Hold(len(offsets) == count, "every record has an offset of its own")
		must.Succeed(producer.Close(), "close")
	}
}

// What the members of one group have read and hold.
type readers struct {
	mutex  sync.Mutex
	values map[string]int
	claims map[string]int
}

func (all *readers) state() (values int, claims map[string]int) {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	claims = map[string]int{}
	for name, count := range all.claims {
		claims[name] = count
	}
	return len(all.values), claims
}

type member struct {
	name string
	all  *readers
	stop context.CancelFunc
	done chan struct{}
	copy *copier
}

func (one *member) Setup(session sarama.ConsumerGroupSession) error {
	one.all.mutex.Lock()
	defer one.all.mutex.Unlock()
	one.all.claims[one.name] = len(session.Claims()[topic])
	return nil
}

func (one *member) Cleanup(session sarama.ConsumerGroupSession) error {
	one.all.mutex.Lock()
	defer one.all.mutex.Unlock()
	delete(one.all.claims, one.name)
	return nil
}

func (one *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	if one.copy != nil {
		return one.copy.claim(session, claim)
	}
	for {
		select {
		case message, more := <-claim.Messages():
			if !more {
				return nil
			}
			session.MarkMessage(message, "")
			if len(claim.Messages()) == 0 {
				session.Commit()
			}
			one.all.mutex.Lock()
			one.all.values[string(message.Value)]++
			one.all.mutex.Unlock()
		case <-session.Context().Done():
			session.Commit()
			return nil
		}
	}
}

func join(config *sarama.Config, group, name string, all *readers, copy *copier) *member {
	ctx, stop := context.WithCancel(context.Background())
	one := &member{name: name, all: all, stop: stop, done: make(chan struct{}), copy: copy}
	consumer, err := sarama.NewConsumerGroup(bootstrap, group, config)
	must.Succeed(err, "group")
	go func() {
		defer close(one.done)
		for ctx.Err() == nil {
			if err := consumer.Consume(ctx, []string{topic}, one); err != nil && ctx.Err() == nil {
				must.Succeed(err, "consume as "+name)
			}
		}
		must.Succeed(consumer.Close(), "leave")
	}()
	return one
}

func (one *member) leave() {
	one.stop()
	<-one.done
}

func atTheEnds(client sarama.Client, admin sarama.ClusterAdmin, group string) bool {
	committed, err := admin.ListConsumerGroupOffsets(group, nil)
	must.Succeed(err, "committed offsets")
	for partition := int32(0); partition < partitions; partition++ {
		end, err := client.GetOffset(topic, partition, sarama.OffsetNewest)
		must.Succeed(err, "end")
		block := committed.GetBlock(topic, partition)
		if block == nil || block.Offset != end {
			return false
		}
	}
	return true
}

func useGroup(client sarama.Client, admin sarama.ClusterAdmin, strategy sarama.BalanceStrategy, total int) {
	config := newConfig()
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
	group := "sarama-" + strategy.Name()
	all := &readers{values: map[string]int{}, claims: map[string]int{}}
	shares := func(wanted map[string]int) func() bool {
		return func() bool {
			_, claims := all.state()
			return fmt.Sprint(claims) == fmt.Sprint(wanted)
		}
	}
	first := join(config, group, "first", all, nil)
	await("all of them", shares(map[string]int{"first": 4}))
	second := join(config, group, "second", all, nil)
	await("halves", shares(map[string]int{"first": 2, "second": 2}))
	first.leave()
	await("all of them again", shares(map[string]int{"second": 4}))
	await("every record", func() bool { values, _ := all.state(); return values == total })
	await("all commits", func() bool { return atTheEnds(client, admin, group) })
	described, err := admin.DescribeConsumerGroups([]string{group})
	must.Succeed(err, "describe")
	must.Hold(described[0].State == "Stable" && described[0].Protocol == strategy.Name() && len(described[0].Members) == 1, "described")
	second.leave()
}

func main() {
	bootstrap = []string{os.Args[1]}
	count, _ := strconv.Atoi(os.Args[2])
	client, err := sarama.NewClient(bootstrap, newConfig())
	must.Succeed(err, "client")
	admin, err := sarama.NewClusterAdmin(bootstrap, newConfig())
	must.Succeed(err, "admin")
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}
	must.Succeed(admin.CreateTopic(topic, detail, false), "create")
	refused := admin.CreateTopic(topic, detail, false)
	must.Hold(errors.Is(refused, sarama.ErrTopicAlreadyExists), fmt.Sprint("a second create is refused: ", refused))
	must.Succeed(admin.CreateTopic(topic+"-copy", detail, false), "create")

	var tasks sync.WaitGroup
	run := func(task func()) {
		tasks.Add(1)
		go func() { defer tasks.Done(); task() }()
	}
	run(func() { produce(count) })
	for _, strategy := range []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange(), sarama.NewBalanceStrategyRoundRobin(),
		sarama.NewBalanceStrategySticky()} {
		strategy := strategy
		run(func() { useGroup(client, admin, strategy, codecs*count) })
	}
	run(func() { copyAll(client, admin, codecs*count) })
	run(fence)
	tasks.Wait()
	fmt.Println("sarama done,", codecs*count, "records")
}
