package store

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

// writerTest is a store whose writer can be blocked.
type writerTest struct {
	*Store
	engine  *sqliteEngine
	project apitype.UUID
	commits int                // changed by the writer
	onEach  func(commit int32) // runs in the commit, if it is set
	refuse  bool               // lets commits fail
}

func newWriterTest(t *testing.T) *writerTest {
	t.Helper()
	s, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "diga.db"), Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &writerTest{Store: s, engine: s.engine.(*sqliteEngine), project: apitype.NewUUID()}
}

// watch counts the commits from now on.
func (w *writerTest) watch(t *testing.T) {
	t.Helper()
	conn, err := w.engine.write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(driver any) error {
		driver.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
			w.commits++
			if w.onEach != nil {
				w.onEach(int32(w.commits))
			}
			if w.refuse {
				return 1
			}
			return 0
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// block keeps the writer waiting until release is called.
func (w *writerTest) block(t *testing.T) (release func()) {
	t.Helper()
	conn, err := w.engine.write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return func() { conn.Close() }
}

func (w *writerTest) create(t *testing.T) (apitype.UUID, apikey.Hash) {
	t.Helper()
	key, secret := apikey.New(w.project, apitype.NewUUID(), "test")
	if err := w.Create(t.Context(), key, secret.Hash()); err != nil {
		t.Fatal(err)
	}
	return key.ID, secret.Hash()
}

// queue queues a delete, whose request id names it.
func (w *writerTest) queue(ctx context.Context, t *testing.T, id apitype.UUID, request any) *queuedDelete {
	t.Helper()
	d := &queuedDelete{ctx: ctx, queued: time.Now(), done: make(chan struct{})}
	d.args = []any{time.Now().UnixMicro(), apitype.NewUUID().String(), request, id.String(), w.project.String()}
	if err := w.engine.writer.enqueue(d); err != nil {
		t.Fatal(err)
	}
	return d
}

// awaitQueue returns when that many deletes are queued, in addition to the one that the writer has taken.
func (w *writerTest) awaitQueue(length int) {
	for len(w.engine.writer.queue) != length {
		runtime.Gosched()
	}
}

// deleted returns the request ids of the tombstones.
func (w *writerTest) deleted(t *testing.T) map[apitype.UUID]string {
	t.Helper()
	found := make(map[apitype.UUID]string)
	for key, err := range w.List(t.Context(), Filter{Deleted: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if key.Deleted != nil {
			found[key.ID] = key.Deleted.RequestID
		}
	}
	return found
}

func acknowledged(d *queuedDelete) bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// TestWriterBatch queues deletes of one key and of others: one commit, and one winner, which is the first to arrive.
func TestWriterBatch(t *testing.T) {
	w := newWriterTest(t)
	one, _ := w.create(t)
	other, _ := w.create(t)
	w.watch(t)
	release := w.block(t)
	var batch []*queuedDelete
	for _, d := range []struct {
		id      apitype.UUID
		request string
	}{{one, "first"}, {one, "second"}, {other, "third"}, {apitype.NewUUID(), "fourth"}, {one, "fifth"}} {
		batch = append(batch, w.queue(t.Context(), t, d.id, d.request))
	}
	w.onEach = func(int32) {
		if slices.ContainsFunc(batch, acknowledged) {
			t.Error("a delete was acknowledged before the commit")
		}
	}
	release()
	var rows []int64
	for _, d := range batch {
		<-d.done
		if d.err != nil {
			t.Error(d.err)
		}
		rows = append(rows, d.rows)
	}
	if want := []int64{1, 0, 1, 0, 0}; !slices.Equal(rows, want) {
		t.Errorf("rows affected %v, want %v", rows, want)
	}
	if w.commits != 1 {
		t.Errorf("%d commits, want 1", w.commits)
	}
	if found := w.deleted(t); found[one] != "first" || found[other] != "third" || len(found) != 2 {
		t.Errorf("tombstones %v", found)
	}
	if stats := w.Stats()[0]; stats.Name != "write" || stats.Waits < 5 || stats.Wait <= 0 {
		t.Errorf("statistics %+v, want the waits of 5 deletes", stats)
	}
}

// TestWriterBound queues more deletes than a batch holds.
func TestWriterBound(t *testing.T) {
	w := newWriterTest(t)
	w.watch(t)
	release := w.block(t)
	var all []*queuedDelete
	for range sqliteBatch + 1 { // the writer holds one, the queue the others
		all = append(all, w.queue(t.Context(), t, apitype.NewUUID(), "request"))
	}
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { // there is no room for one more
		_, err := w.engine.writer.delete(ctx, nil)
		left <- err
	}()
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("a delete that found no room: %v, want context.Canceled", err)
	}
	release()
	for _, d := range all {
		<-d.done
		if d.err != nil {
			t.Error(d.err)
		}
	}
	if w.commits != 2 {
		t.Errorf("%d commits, want 2", w.commits)
	}
}

// TestWriterError lets the commit fail, and a statement of a batch: an error for each, and nothing is deleted.
func TestWriterError(t *testing.T) {
	for name, fail := range map[string]func(w *writerTest) (request any){
		"commit":    func(w *writerTest) any { w.refuse = true; return "request" },
		"statement": func(*writerTest) any { return nil }, // NULL violates a constraint
	} {
		t.Run(name, func(t *testing.T) {
			w := newWriterTest(t)
			w.watch(t)
			ids := make([]apitype.UUID, 3)
			for i := range ids {
				ids[i], _ = w.create(t)
			}
			release := w.block(t)
			request := fail(w)
			batch := []*queuedDelete{w.queue(t.Context(), t, ids[0], "request"),
				w.queue(t.Context(), t, apitype.NewUUID(), "request"), w.queue(t.Context(), t, ids[1], request),
				w.queue(t.Context(), t, ids[2], "request")}
			release()
			for i, d := range batch {
				<-d.done
				if d.err == nil || d.rows != 0 {
					t.Errorf("delete %d: %d rows, error %v; want an error", i, d.rows, d.err)
				}
			}
			w.refuse = false
			if found := w.deleted(t); len(found) != 0 {
				t.Errorf("tombstones %v, want none", found)
			}
			for _, id := range ids {
				if err := w.Delete(t.Context(), w.project, id, apikey.Deletion{At: time.Now()}); err != nil {
					t.Errorf("delete after the failure: %v", err)
				}
			}
		})
	}
}

// TestWriterCanceledBefore ends the context of a caller whose batch has not begun.
func TestWriterCanceledBefore(t *testing.T) {
	w := newWriterTest(t)
	gone, _ := w.create(t)
	waiting, _ := w.create(t)
	release := w.block(t)
	ctx, cancel := context.WithCancel(t.Context())
	// The writer has taken the first one, the other two are queued.
	batch := []*queuedDelete{w.queue(ctx, t, gone, "gone"), w.queue(t.Context(), t, waiting, "waiting"), w.queue(ctx, t, gone, "gone")}
	cancel()
	release()
	for _, d := range batch {
		<-d.done
		if want := d.ctx.Err(); !errors.Is(d.err, want) {
			t.Errorf("error %v, want %v", d.err, want)
		}
	}
	if found := w.deleted(t); found[waiting] != "waiting" || len(found) != 1 {
		t.Errorf("tombstones %v, want that of the caller who waits", found)
	}
}

// TestWriterCanceledDuring ends the context of a caller while its batch is committed.
func TestWriterCanceledDuring(t *testing.T) {
	w := newWriterTest(t)
	gone, _ := w.create(t)
	waiting, _ := w.create(t)
	w.watch(t)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	w.onEach = func(commit int32) {
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
	}
	release := w.block(t)
	d := w.queue(t.Context(), t, waiting, "waiting")
	w.awaitQueue(0)
	go func() {
		left <- w.Delete(ctx, w.project, gone, apikey.Deletion{At: time.Now(), RequestID: "gone"})
	}()
	w.awaitQueue(1)
	release()
	<-d.done
	if d.err != nil || d.rows != 1 {
		t.Errorf("the caller who waits: %d rows, %v", d.rows, d.err)
	}
	if found := w.deleted(t); found[gone] != "gone" || found[waiting] != "waiting" || w.commits != 1 {
		t.Errorf("tombstones %v after %d commits, want both after one", found, w.commits)
	}
}

// TestWriterClose closes the store while deletes are queued.
func TestWriterClose(t *testing.T) {
	w := newWriterTest(t)
	var batch []*queuedDelete
	var ids []apitype.UUID
	for range 3 {
		id, _ := w.create(t)
		ids = append(ids, id)
	}
	release := w.block(t)
	for _, id := range ids {
		batch = append(batch, w.queue(t.Context(), t, id, "request"))
	}
	closed := make(chan error)
	go func() { closed <- w.Close() }()
	for !w.engine.writer.isClosed() {
		runtime.Gosched()
	}
	if _, err := w.engine.writer.delete(t.Context(), nil); !errors.Is(err, errClosed) {
		t.Errorf("delete while the store closes: %v, want errClosed", err)
	}
	release()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	for _, d := range batch {
		if !acknowledged(d) || d.err != nil || d.rows != 1 {
			t.Errorf("after Close a queued delete has %d rows, error %v", d.rows, d.err)
		}
	}
	if err := w.Delete(t.Context(), w.project, ids[0], apikey.Deletion{}); err == nil || errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("delete after Close: %v, want an error", err)
	}
}

func (w *sqliteWriter) isClosed() bool {
	w.closing.RLock()
	defer w.closing.RUnlock()
	return w.closed
}

// TestNotFoundWithoutWriter deletes what no reader finds live, while the writer is blocked.
func TestNotFoundWithoutWriter(t *testing.T) {
	w := newWriterTest(t)
	live, _ := w.create(t)
	gone, _ := w.create(t)
	if err := w.Delete(t.Context(), w.project, gone, apikey.Deletion{At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	defer w.block(t)()
	for name, target := range map[string]struct{ project, id apitype.UUID }{
		"unknown":           {w.project, apitype.NewUUID()},
		"deleted":           {w.project, gone},
		"another project's": {apitype.NewUUID(), live},
	} {
		if err := w.Delete(t.Context(), target.project, target.id, apikey.Deletion{}); !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
}
