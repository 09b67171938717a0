package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/IBM/sarama"

	"milena/compat/must"
)

// Copies a topic in transactions that commit its group's offsets as well. Each batch is aborted first.
type copier struct {
	mutex  sync.Mutex
	copied int
	ended  int
}

func transactional(id string) sarama.AsyncProducer {
	config := newConfig()
	config.Producer.Transaction.ID = id
	var producer sarama.AsyncProducer
	await("a transactional producer", func() (made bool) { // sarama doesn't wait itself until what another has open is aborted
		var err error
		if producer, err = sarama.NewAsyncProducer(bootstrap, config); !errors.Is(err, sarama.ErrConcurrentTransactions) {
			must.Succeed(err, "transactional producer")
		}
		return err == nil
	})
	return producer
}

// In one transaction; with a group, its offsets up to the last message too.
func transact(producer sarama.AsyncProducer, to, group string, messages []*sarama.ConsumerMessage, commit bool) {
	must.Succeed(producer.BeginTxn(), "begin")
	prefix := map[bool]string{true: "", false: "aborted "}[commit]
	for _, message := range messages {
		producer.Input() <- &sarama.ProducerMessage{Topic: to, Partition: message.Partition,
			Value: sarama.StringEncoder(prefix + string(message.Value))}
	}
	for range messages {
		select {
		case <-producer.Successes():
		case failed := <-producer.Errors():
			must.Succeed(failed, "send in a transaction")
		}
	}
	if group != "" {
		must.Succeed(producer.AddMessageToTxn(messages[len(messages)-1], group, nil), "offsets")
	}
	if commit {
		must.Succeed(producer.CommitTxn(), "commit")
	} else {
		must.Succeed(producer.AbortTxn(), "abort")
	}
}

func (one *copier) claim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	producer := transactional(fmt.Sprint("sarama-copier-", claim.Partition()))
	for {
		select {
		case message, more := <-claim.Messages():
			if !more {
				return producer.Close()
			}
			batch := []*sarama.ConsumerMessage{message}
			for len(claim.Messages()) > 0 {
				batch = append(batch, <-claim.Messages())
			}
			transact(producer, topic+"-copy", "sarama-copiers", batch, false)
			transact(producer, topic+"-copy", "sarama-copiers", batch, true)
			one.mutex.Lock()
			one.copied += len(batch)
			one.ended += 2
			one.mutex.Unlock()
		case <-session.Context().Done():
			return producer.Close()
		}
	}
}

// All values of the copy, from the beginning to the last offset before `ends`.
func readCopy(client sarama.Client, isolation sarama.IsolationLevel) (values []string) {
	config := newConfig()
	config.Consumer.IsolationLevel = isolation
	consumer, err := sarama.NewConsumer(bootstrap, config)
	must.Succeed(err, "consumer")
	// A last transaction, so that each partition has a record to end at.
	producer := transactional(fmt.Sprint("sarama-last-", isolation))
	last := []*sarama.ConsumerMessage{}
	mark := fmt.Sprint("last of ", isolation)
	for partition := int32(0); partition < partitions; partition++ {
		last = append(last, &sarama.ConsumerMessage{Partition: partition, Value: []byte(mark)})
	}
	transact(producer, topic+"-copy", "", last, true)
	must.Succeed(producer.Close(), "close")
	for partition := int32(0); partition < partitions; partition++ {
		reader, err := consumer.ConsumePartition(topic+"-copy", partition, sarama.OffsetOldest)
		must.Succeed(err, "reader")
		for message := range reader.Messages() {
			if string(message.Value) == mark {
				break
			}
			if !strings.HasPrefix(string(message.Value), "last") {
				values = append(values, string(message.Value))
			}
		}
		reader.AsyncClose()
	}
	return values
}

func copyAll(client sarama.Client, admin sarama.ClusterAdmin, total int) {
	copy, all := &copier{}, &readers{values: map[string]int{}, claims: map[string]int{}}
	one := join(newConfig(), "sarama-copiers", "copier", all, copy)
	await("the copy", func() bool {
		copy.mutex.Lock()
		defer copy.mutex.Unlock()
		return copy.copied >= total
	})
	await("the copier's offsets", func() bool { return atTheEnds(client, admin, "sarama-copiers") })
	one.leave()
	committed := readCopy(client, sarama.ReadCommitted)
	distinct := map[string]bool{}
	for _, value := range committed {
		must.Hold(!strings.HasPrefix(value, "aborted"), "nothing that was aborted is read")
		distinct[value] = true
	}
	must.Hold(len(committed) == total && len(distinct) == total,
		fmt.Sprint("each record once: ", len(committed), " and ", len(distinct), " of ", total))
	must.Hold(len(readCopy(client, sarama.ReadUncommitted)) == 2*total, "whoever doesn't care reads the aborted ones too")
}

// Of two producers with one id the older one is fenced, and what it had open is aborted.
func fence() {
	old := transactional("sarama-fenced")
	must.Succeed(old.BeginTxn(), "begin")
	old.Input() <- &sarama.ProducerMessage{Topic: topic + "-fenced", Partition: 0, Value: sarama.StringEncoder("old")}
	<-old.Successes()
	heir := transactional("sarama-fenced")
	err := old.CommitTxn()
	must.Hold(err != nil && old.TxnStatus()&sarama.ProducerTxnFlagFatalError != 0, fmt.Sprint("the older one is fenced: ", err))
	transact(heir, topic+"-fenced", "", []*sarama.ConsumerMessage{{Value: []byte("heir")}}, true)
	must.Succeed(heir.Close(), "close")
}
