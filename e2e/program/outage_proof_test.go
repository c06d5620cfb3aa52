//go:build proof

package program_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/store/storetest"
)

// outage takes the store away from the server and gives it back.
type outage struct {
	url     string // of the store as the server sees it
	args    []string
	begin   func(*process.Server)
	end     func(*process.Server)
	unknown bool // whether a delete that got 500 may have been done
	up      bool // whether the store responds all the same, and only refuses to delete
}

const declared500 = `{"status":"error","error_code":"INTERNAL_SERVER_ERROR","message":"Error: Internal Server Error"}`

// away holds the server to what it promises of an outage: each delete gets the declared 500 in time, none is done by
// halves, and once the store is back the server works again by itself. direct is the URL of the store past the outage.
func away(t *testing.T, direct string, outage outage) {
	t.Helper()
	// The server's own limit is two seconds. Without it a request would wait until the outage ends, which is after the last
	// response.
	const timeout, patience = "2s", 30 * time.Second
	keys := storetest.Open(t, direct)
	project := apitype.NewUUID()
	caller, targets := create(t, keys, project), createMany(t, keys, project, 13)
	server := process.Launch(t, append([]string{"--database-url", outage.url, "--request-timeout", timeout}, outage.args...)...)
	server.Await(t)
	asker := newAsker(t)

	acknowledged := map[apitype.UUID]bool{targets[12].ID: true}
	if got := asker.mustDelete(t, server, caller.secret, targets[12].ID); got.status != http.StatusOK {
		t.Fatalf("before the outage: %d %s", got.status, got.body)
	}
	outage.begin(server)
	for wave := range 3 {
		var wg sync.WaitGroup
		for _, target := range targets[:12] {
			wg.Go(func() {
				got, err := asker.delete(t.Context(), server, caller.secret, target.ID, "")
				switch {
				case err != nil:
					t.Error(err)
				case got.status != http.StatusInternalServerError || got.body != declared500:
					t.Errorf("wave %d: %d %s", wave, got.status, got.body)
				case got.ended.Sub(got.began) > patience:
					t.Errorf("wave %d: answered after %s", wave, got.ended.Sub(got.began))
				}
			})
		}
		wg.Wait()
		// All servers share the outage, so none leaves the rotation: callers get the declared 500. The alert is on the metric.
		if status, body := server.Get(t, "/readyz"); status != http.StatusOK {
			t.Errorf("wave %d: /readyz answers %d %s", wave, status, body)
		}
		up := map[bool]string{false: "\ndiga_store_up 0\n", true: "\ndiga_store_up 1\n"}[outage.up]
		if _, metrics := server.Get(t, "/metrics"); !strings.Contains(metrics, up) {
			t.Errorf("wave %d: want %q of the metrics", wave, up)
		}
	}
	outage.end(server)

	if !outage.unknown {
		if found := tombstones(t, direct); len(found) != len(acknowledged) {
			t.Errorf("%d tombstones after %d acknowledged deletes", len(found), len(acknowledged))
		}
	}
	back := time.Now()
	for _, target := range targets[:12] {
		for attempt := 1; !acknowledged[target.ID]; attempt++ {
			got := asker.mustDelete(t, server, caller.secret, target.ID)
			switch {
			case got.status == http.StatusOK:
				acknowledged[target.ID] = true
			case got.status == http.StatusNotFound && (outage.unknown || attempt > 1):
				acknowledged[target.ID] = true // found below
			case got.status != http.StatusInternalServerError || time.Since(back) > time.Minute:
				t.Fatalf("%s after the outage: %d %s", time.Since(back), got.status, got.body)
			}
		}
	}
	t.Logf("all deleted %s after the outage", time.Since(back))
	if found := tombstones(t, direct); len(found) != len(acknowledged) {
		t.Errorf("%d tombstones after %d acknowledged deletes", len(found), len(acknowledged))
	}
	if log, err := server.Stop(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	} else if !strings.Contains(log, `"cause"`) || strings.Contains(log, caller.secret.Reveal()) {
		t.Errorf("the log of the outage: %.2000s", log)
	}
}

// serverConnections is the application_name of the server's connections, by which they are found and ended.
const serverConnections = "server-under-test"

func TestPostgresAway(t *testing.T) {
	t.Parallel()
	primary := postgres.Start(t, "max_connections=30", "superuser_reserved_connections=0")
	// Each outage has a database of its own, and a connection that stays whatever happens.
	prepare := func(t *testing.T) (direct, served string, control *pgx.Conn) {
		direct = primary.Database(t)
		control, err := pgx.Connect(t.Context(), direct)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { control.Close(context.Background()) })
		return direct, postgres.With(t, direct, "application_name", serverConnections), control
	}
	exec := func(t *testing.T, conn *pgx.Conn, statement string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	terminate := func(t *testing.T, conn *pgx.Conn) {
		t.Helper()
		exec(t, conn, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1`, serverConnections)
	}

	t.Run("stopped", func(t *testing.T) {
		direct, served, _ := prepare(t)
		away(t, direct, outage{
			url:   served,
			begin: func(*process.Server) { primary.Stop(t) },
			end:   func(*process.Server) { primary.Start(t) },
		})
	})
	t.Run("hanging", func(t *testing.T) {
		direct, served, _ := prepare(t)
		proxy := newProxy(t, direct)
		away(t, direct, outage{
			url:     proxy.url(t, served),
			begin:   func(*process.Server) { proxy.hang() },
			end:     func(*process.Server) { proxy.resume() },
			unknown: true, // statements on their way arrive in the end
		})
	})
	t.Run("frozen", func(t *testing.T) {
		direct, served, _ := prepare(t)
		away(t, direct, outage{
			url:     served,
			begin:   func(*process.Server) { primary.Freeze(t) },
			end:     func(*process.Server) { primary.Thaw() },
			unknown: true,
		})
	})
	t.Run("out of connections", func(t *testing.T) {
		direct, served, control := prepare(t)
		var hogs []*pgx.Conn
		away(t, direct, outage{
			url: served,
			begin: func(*process.Server) {
				terminate(t, control)
				for {
					hog, err := pgx.Connect(t.Context(), direct)
					if err != nil {
						if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "53300" {
							t.Fatal(err)
						}
						return
					}
					hogs = append(hogs, hog)
				}
			},
			end: func(*process.Server) {
				for _, hog := range hogs {
					hog.Close(t.Context())
				}
			},
		})
	})
	// What a failover does: connections are to a server that takes no writes, and stay so when others would do.
	t.Run("read-only", func(t *testing.T) {
		direct, served, control := prepare(t)
		alter := func(value string) {
			exec(t, control, `ALTER DATABASE `+pgx.Identifier{control.Config().Database}.Sanitize()+` SET default_transaction_read_only = `+value)
		}
		away(t, direct, outage{
			url: served,
			begin: func(*process.Server) {
				alter("on")
				terminate(t, control)
			},
			end: func(*process.Server) { alter("off") },
		})
	})
	t.Run("full", func(t *testing.T) {
		direct, served, control := prepare(t)
		away(t, direct, outage{
			url: served,
			begin: func(*process.Server) { // says what PostgreSQL says when it cannot extend a file
				exec(t, control, `CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS `+
					`$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$`)
				exec(t, control, `CREATE TRIGGER disk_full BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION disk_full()`)
			},
			end: func(*process.Server) { exec(t, control, `DROP TRIGGER disk_full ON api_keys`) },
			up:  true,
		})
	})
	t.Run("locked", func(t *testing.T) {
		direct, served, control := prepare(t)
		away(t, direct, outage{
			url:   served,
			begin: func(*process.Server) { exec(t, control, `BEGIN; LOCK TABLE api_keys IN SHARE MODE`) }, // reading goes on
			end: func(*process.Server) {
				// What the server gave up it has cancelled as well: nothing is left that would delete a key later.
				for waiting := 1; waiting > 0; {
					if err := control.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted`).Scan(&waiting); err != nil {
						t.Fatal(err)
					}
				}
				exec(t, control, `ROLLBACK`)
			},
			up: true,
		})
	})
}

func TestSQLiteAway(t *testing.T) {
	t.Parallel()
	t.Run("locked by another process", func(t *testing.T) {
		url := process.SQLite(t)
		db := storetest.Connect(t, url)
		exec := func(statement string) func(*process.Server) {
			return func(*process.Server) { storetest.Exec(t, db, statement) }
		}
		away(t, url, outage{url: url, begin: exec(`BEGIN IMMEDIATE`), end: exec(`ROLLBACK`)})
	})
	t.Run("full", func(t *testing.T) {
		url := process.SQLite(t)
		away(t, url, outage{
			url:   url,
			begin: func(s *process.Server) { limitFiles(t, s, 1) }, // no file may become larger than a byte
			end:   func(s *process.Server) { limitFiles(t, s, unlimited) },
			up:    true,
		})
	})
}

// proxy stands between the server and PostgreSQL, and can make as if the network swallowed everything.
type proxy struct {
	net.Listener
	mutex sync.Mutex
	hung  chan struct{} // closed while it forwards
}

func newProxy(t testing.TB, database string) *proxy {
	t.Helper()
	config, err := pgconn.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	network, address := pgconn.NetworkAddress(config.Host, config.Port)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: listener, hung: make(chan struct{})}
	close(p.hung)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			down, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer down.Close()
				p.wait()
				up, err := net.Dial(network, address)
				if err != nil {
					return
				}
				defer up.Close()
				go p.forward(up, down)
				p.forward(down, up)
			}()
		}
	}()
	return p
}

func (p *proxy) forward(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.wait()
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) wait() {
	p.mutex.Lock()
	hung := p.hung
	p.mutex.Unlock()
	<-hung
}

func (p *proxy) hang() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.hung = make(chan struct{})
}

func (p *proxy) resume() { close(p.hung) }

// url is database, reached through the proxy.
func (p *proxy) url(t testing.TB, database string) string {
	t.Helper()
	parsed, err := url.Parse(postgres.With(t, database, "sslmode", "disable"))
	if err != nil {
		t.Fatal(err)
	}
	query := parsed.Query()
	query.Del("host")
	parsed.Host, parsed.RawQuery = p.Addr().String(), query.Encode()
	return parsed.String()
}
