// go-zookeeper/zk on one server: argv = host:port. Prints what it saw, in words that don't depend on times and ids.
package main

import (
	"fmt"
	"net"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
)

const guard = 60 * time.Second

var address = os.Args[1]

type quiet struct{}

func (quiet) Printf(string, ...interface{}) {}

func check(err error, what string) {
	if err != nil {
		fmt.Println("FAILED", what+":", err)
		os.Exit(1)
	}
}

// The dialer keeps the last socket, so that a test can cut it.
type dialer struct {
	mutex sync.Mutex
	last  net.Conn
}

func (d *dialer) dial(network, to string, timeout time.Duration) (net.Conn, error) {
	connection, err := net.DialTimeout(network, to, timeout)
	d.mutex.Lock()
	d.last = connection
	d.mutex.Unlock()
	return connection, err
}

func (d *dialer) cut() {
	d.mutex.Lock()
	d.last.Close()
	d.mutex.Unlock()
}

func waitState(events <-chan zk.Event, wanted zk.State) {
	timeout := time.After(guard)
	for {
		select {
		case event := <-events:
			if event.State == wanted {
				return
			}
		case <-timeout:
			check(fmt.Errorf("no state %s", wanted), "session")
		}
	}
}

func connect(d *dialer) (*zk.Conn, <-chan zk.Event) {
	connection, events, err := zk.Connect([]string{address}, 20*time.Second, zk.WithDialer(d.dial), zk.WithLogger(quiet{}))
	check(err, "connect")
	waitState(events, zk.StateHasSession)
	return connection, events
}

func stat(s *zk.Stat) string {
	return fmt.Sprintf("version %d cversion %d aversion %d length %d children %d", s.Version, s.Cversion, s.Aversion,
		s.DataLength, s.NumChildren)
}

func event(events <-chan zk.Event) string {
	select {
	case e := <-events:
		return fmt.Sprint(e.Type, " ", e.Path, " ", e.Err)
	case <-time.After(guard):
		return "no event"
	}
}

func nodes(c *zk.Conn) {
	all := zk.WorldACL(zk.PermAll)
	fmt.Println(c.Create("/go", []byte("data"), 0, all))
	fmt.Println(c.Create("/go", nil, 0, all))
	fmt.Println(c.Create("/go/s-", nil, zk.FlagSequence, all))
	fmt.Println(c.Create("/go/e-", []byte{}, zk.FlagEphemeral|zk.FlagSequence, all))
	fmt.Println(c.Create("/none/x", nil, 0, all))
	fmt.Println(c.CreateContainer("/go/box", []byte("c"), zk.FlagContainer, all))
	fmt.Println(c.CreateTTL("/go/ttl", []byte("t"), zk.FlagTTL, all, time.Hour))
	data, s, err := c.Get("/go")
	fmt.Println(string(data), stat(s), err)
	s, err = c.Set("/go", []byte("more"), 0)
	fmt.Println(stat(s), err)
	_, err = c.Set("/go", nil, 0)
	fmt.Println(err)
	names, s, err := c.Children("/go")
	sort.Strings(names)
	fmt.Println(names, stat(s), err)
	ok, _, err := c.Exists("/none")
	fmt.Println(ok, err)
	fmt.Println(c.Delete("/go", -1), c.Delete("/go/box", 5), c.Delete("/none", -1), c.Delete("/go/box", 0))
	path, err := c.CreateProtectedEphemeralSequential("/go/guarded-", nil, all)
	fmt.Println(strings.Contains(path, "guarded-"), path[len(path)-10:], err)
	path, err = c.Sync("/go")
	fmt.Println(path, err)
	fmt.Println(c.IncrementalReconfig(nil, nil, -1))
	large := make([]byte, 900000)
	_, err = c.Create("/large", large, 0, all)
	back, _, _ := c.Get("/large")
	fmt.Println(err, len(back), c.Delete("/large", -1))
}

func access(c *zk.Conn) {
	owner, _ := connect(&dialer{})
	defer owner.Close()
	fmt.Println(owner.AddAuth("digest", []byte("me:secret")))
	_, err := owner.Create("/owned", []byte("mine"), 0, zk.DigestACL(zk.PermAll, "me", "secret"))
	fmt.Println(err)
	_, _, err = c.Get("/owned")
	fmt.Println(err)
	acl, _, err := owner.GetACL("/owned")
	fmt.Println(acl, err)
	s, err := owner.SetACL("/owned", append(zk.WorldACL(zk.PermRead), zk.AuthACL(zk.PermAll)...), 0)
	fmt.Println(stat(s), err)
	acl, _, err = c.GetACL("/owned")
	fmt.Println(acl, err)
	data, _, err := c.Get("/owned")
	fmt.Println(string(data), err)
	_, err = c.Set("/owned", nil, -1)
	fmt.Println(err)
	_, err = c.Create("/bad", nil, 0, zk.AuthACL(zk.PermAll))
	fmt.Println(err, owner.Delete("/owned", -1))
}

func multi(c *zk.Conn) {
	all := zk.WorldACL(zk.PermAll)
	results, err := c.Multi(&zk.CreateRequest{Path: "/m", Data: []byte("1"), Acl: all},
		&zk.CreateRequest{Path: "/m/s-", Acl: all, Flags: zk.FlagSequence},
		&zk.SetDataRequest{Path: "/m", Data: []byte("2"), Version: 0}, &zk.CheckVersionRequest{Path: "/m", Version: 1},
		&zk.DeleteRequest{Path: "/m/s-0000000000", Version: -1})
	for _, one := range results {
		if one.Stat != nil {
			fmt.Println(one.String, stat(one.Stat), one.Error)
		} else {
			fmt.Println(one.String, one.Error)
		}
	}
	fmt.Println(err)
	results, err = c.Multi(&zk.CreateRequest{Path: "/m/x", Acl: all}, &zk.CheckVersionRequest{Path: "/m", Version: 9},
		&zk.DeleteRequest{Path: "/m", Version: -1})
	for _, one := range results {
		fmt.Println(one.String, one.Error)
	}
	fmt.Println(err)
	fmt.Println(c.Delete("/m", -1))
}

func watches(c *zk.Conn, d *dialer) {
	all := zk.WorldACL(zk.PermAll)
	_, _, created, err := c.ExistsW("/w")
	check(err, "exists")
	c.Create("/w", nil, 0, all)
	fmt.Println(event(created))
	_, _, changed, _ := c.GetW("/w")
	_, _, children, _ := c.ChildrenW("/w")
	c.Set("/w", []byte("1"), -1)
	c.Create("/w/a", nil, 0, all)
	fmt.Println(event(changed), event(children))
	// A watch that is set, a cut connection, and a change by another client meanwhile.
	other, _ := connect(&dialer{})
	defer other.Close()
	_, _, changed, _ = c.GetW("/w")
	_, _, gone, _ := c.ExistsW("/w/a")
	d.cut()
	other.Set("/w", []byte("2"), -1)
	other.Delete("/w/a", -1)
	fmt.Println(event(changed), event(gone))
	_, _, gone, _ = c.ExistsW("/w")
	fmt.Println(other.Delete("/w", -1), event(gone))
}

func sessions() {
	d := &dialer{}
	c, events := connect(d)
	c.Create("/passing", nil, zk.FlagEphemeral, zk.WorldACL(zk.PermAll))
	before := c.SessionID()
	for round := 0; round < 3; round++ {
		d.cut()
		waitState(events, zk.StateHasSession)
		ok, s, err := c.Exists("/passing")
		fmt.Println(ok, s.EphemeralOwner == before, c.SessionID() == before, err)
	}
	other, _ := connect(&dialer{})
	defer other.Close()
	_, _, gone, _ := other.ExistsW("/passing")
	c.Close()
	fmt.Println(event(gone))
}

func locks() {
	var inside, most, rounds int32
	var group sync.WaitGroup
	for i := 0; i < 4; i++ {
		c, _ := connect(&dialer{})
		group.Add(1)
		go func() {
			defer group.Done()
			defer c.Close()
			lock := zk.NewLock(c, "/lock", zk.WorldACL(zk.PermAll))
			for round := 0; round < 5; round++ {
				check(lock.Lock(), "lock")
				if now := atomic.AddInt32(&inside, 1); now > most {
					most = now
				}
				atomic.AddInt32(&rounds, 1)
				atomic.AddInt32(&inside, -1)
				check(lock.Unlock(), "unlock")
			}
		}()
	}
	group.Wait()
	fmt.Println("most inside", most, "rounds", rounds)
	c, _ := connect(&dialer{})
	defer c.Close()
	lock := zk.NewLock(c, "/lock", zk.WorldACL(zk.PermAll))
	fmt.Println(lock.Lock(), lock.Lock(), lock.Unlock(), lock.Unlock())
}

func manyAtOnce(c *zk.Conn) {
	var group sync.WaitGroup
	var failed int32
	for i := 0; i < 500; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			path := fmt.Sprintf("/many-%d", i)
			if _, err := c.Create(path, []byte(path), 0, zk.WorldACL(zk.PermAll)); err != nil {
				atomic.AddInt32(&failed, 1)
			}
			if data, _, err := c.Get(path); err != nil || string(data) != path {
				atomic.AddInt32(&failed, 1)
			}
			if c.Delete(path, 0) != nil {
				atomic.AddInt32(&failed, 1)
			}
		}(i)
	}
	group.Wait()
	fmt.Println("failed", failed)
}

func words() {
	fmt.Println(zk.FLWRuok([]string{address}, guard))
	stats, ok := zk.FLWSrvr([]string{address}, guard)
	fmt.Println(stats[0].Mode, stats[0].Error, ok)
	clients, ok := zk.FLWCons([]string{address}, guard)
	fmt.Println(len(clients[0].Clients) > 0, clients[0].Error, ok)
}

func main() {
	d := &dialer{}
	c, _ := connect(d)
	for _, part := range []struct {
		name string
		run  func()
	}{{"nodes", func() { nodes(c) }}, {"access", func() { access(c) }}, {"multi", func() { multi(c) }},
		{"watches", func() { watches(c, d) }}, {"sessions", sessions}, {"locks", locks},
		{"many at once", func() { manyAtOnce(c) }}, {"words", words}} {
		fmt.Println("==", part.name)
		part.run()
	}
	c.Close()
	fmt.Println("go done")
}
