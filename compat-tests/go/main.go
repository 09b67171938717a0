// Produces, consumes in a group and administers topics with franz-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"milena/compat/must"
)

func createTopic(ctx context.Context, client *kgo.Client, topic string, partitions int32) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 30000
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = topic, partitions, 1
	request.Topics = append(request.Topics, wanted)
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.Topics[0].ErrorCode)
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	bootstrap, topic := os.Args[1], "from-go"
	count, _ := strconv.Atoi(os.Args[2])

	admin, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	must.Succeed(err, "client")
	must.Succeed(createTopic(ctx, admin, topic, 4), "create")
	must.Hold(errors.Is(createTopic(ctx, admin, topic, 4), kerr.TopicAlreadyExists), "second create is refused")

	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	total := 0
	for name, codec := range codecs {
		producer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ProducerBatchCompression(codec),
			kgo.RecordPartitioner(kgo.ManualPartitioner()))
		must.Succeed(err, "producer")
		for i := 0; i < count; i++ {
			record := &kgo.Record{Topic: topic, Partition: int32(i % 4), Key: []byte(name), Value: []byte(strconv.Itoa(i)),
				Headers: []kgo.RecordHeader{{Key: "codec", Value: []byte(name)}}}
			producer.Produce(ctx, record, func(_ *kgo.Record, err error) { must.Succeed(err, "produce "+name) })
		}
		must.Succeed(producer.Flush(ctx), "flush")
		producer.Close()
		total += count
	}

	for round := 0; round < 2; round++ { // the second round goes on where the first one committed
		consumer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup("go-group"), kgo.ConsumeTopics(topic),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
		must.Succeed(err, "consumer")
		last := map[string]int{}
		for seen := 0; round == 0 && seen < total; {
			fetches := consumer.PollFetches(ctx)
			fetches.EachError(func(_ string, _ int32, err error) { must.Succeed(err, "fetch") })
			fetches.EachRecord(func(record *kgo.Record) {
				number, _ := strconv.Atoi(string(record.Value))
				id := string(record.Key) + "/" + strconv.Itoa(int(record.Partition))
				before, again := last[id]
				must.Hold(!again && number < 4 || again && number == before+4, "order in "+id)
				must.Hold(len(record.Headers) == 1 && string(record.Headers[0].Value) == string(record.Key), "header")
				last[id] = number
				seen++
			})
		}
		if round == 0 {
			must.Succeed(consumer.CommitUncommittedOffsets(ctx), "commit")
		} else {
			must.Succeed(admin.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("last")}).FirstErr(), "one more")
			records := consumer.PollFetches(ctx).Records()
			must.Hold(len(records) == 1 && string(records[0].Value) == "last", "only the new record comes")
		}
		consumer.LeaveGroup()
		consumer.Close()
	}

	deletion := kmsg.NewPtrDeleteTopicsRequest()
	deletion.TimeoutMillis = 30000
	deletion.TopicNames = []string{topic}
	named := kmsg.NewDeleteTopicsRequestTopic()
	named.Topic = kmsg.StringPtr(topic)
	deletion.Topics = append(deletion.Topics, named)
	response, err := deletion.RequestWith(ctx, admin)
	must.Succeed(err, "delete")
	must.Succeed(kerr.ErrorForCode(response.Topics[0].ErrorCode), "delete")
	admin.Close()
	fmt.Println("franz-go done,", total, "records")
}
