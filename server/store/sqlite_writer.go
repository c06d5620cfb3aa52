package store

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// sqliteBatch is the maximum number of deletes in a transaction. It limits how long a delete waits for those before it.
const sqliteBatch = 128

var errClosed = errors.New("the store is closed")

// sqliteWriter commits the deletes that wait for the writing connection in one transaction, so that they share a flush.
// There is no delay to fill a batch: while one is flushed, the next one gathers.
type sqliteWriter struct {
	db       *sql.DB // one connection
	deletion *sql.Stmt
	check    func() error // called before each transaction; its error is that of the batch
	queue    chan *queuedDelete
	stopped  chan struct{} // closed when run has returned

	closing sync.RWMutex // held for reading while sending to queue
	closed  bool

	waits, wait atomic.Int64 // deletes that left the queue, and the nanoseconds that they spent in it
}

// queuedDelete is a delete that waits to be executed, and then for the commit.
type queuedDelete struct {
	ctx    context.Context
	args   []any
	queued time.Time
	rows   int64
	err    error
	done   chan struct{} // closed when rows and err are final
}

func startSQLiteWriter(db *sql.DB, deletion *sql.Stmt, check func() error) *sqliteWriter {
	w := &sqliteWriter{
		db: db, deletion: deletion, check: check, queue: make(chan *queuedDelete, sqliteBatch), stopped: make(chan struct{}),
	}
	go w.run()
	return w
}

// delete executes deleteSQL and returns the number of rows affected after the commit. If ctx ends while the delete is
// queued, the delete is not executed. If ctx ends later, delete returns and the batch goes on, because others wait for it.
func (w *sqliteWriter) delete(ctx context.Context, args []any) (int64, error) {
	d := &queuedDelete{ctx: ctx, args: args, queued: time.Now(), done: make(chan struct{})}
	if err := w.enqueue(d); err != nil {
		return 0, err
	}
	select {
	case <-d.done:
		return d.rows, d.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (w *sqliteWriter) enqueue(d *queuedDelete) error {
	w.closing.RLock()
	defer w.closing.RUnlock()
	if w.closed {
		return errClosed
	}
	select {
	case w.queue <- d:
		return nil
	case <-d.ctx.Done():
		return d.ctx.Err()
	}
}

// close waits until the queued deletes are committed. Later ones fail.
func (w *sqliteWriter) close() {
	w.closing.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.closing.Unlock()
	<-w.stopped
}

// run executes batches until the writer is closed.
func (w *sqliteWriter) run() {
	defer close(w.stopped)
	for first := range w.queue {
		// Requests that can run do so first. Those that get as far as the queue join the batch, and share its flush.
		runtime.Gosched()
		batch, err := w.commit(first)
		for _, d := range batch {
			if err != nil {
				d.rows, d.err = 0, err
			}
			close(d.done)
		}
	}
}

// commit executes first and the deletes queued behind it in one transaction. An error is that of the whole batch: nothing
// was acknowledged, and all of it is rolled back unless the commit itself failed, which leaves the outcome open.
func (w *sqliteWriter) commit(first *queuedDelete) (batch []*queuedDelete, err error) {
	// Not the context of a caller, because the statements serve many. SQLite itself limits the wait for a lock.
	ctx := context.Background()
	tx, err := w.db.BeginTx(ctx, nil) // BEGIN IMMEDIATE
	// The batch is gathered after the wait for the lock. If that failed, it failed for each delete that waited.
	batch = w.gather(first)
	if err != nil {
		return batch, err
	}
	defer tx.Rollback() // without effect after Commit
	if err := w.check(); err != nil {
		return batch, err
	}
	statement := tx.StmtContext(ctx, w.deletion) //nolint:sqlclosecheck // the transaction closes it
	for _, d := range batch {
		if d.err = d.ctx.Err(); d.err != nil {
			continue // the caller has gone
		}
		result, err := statement.ExecContext(ctx, d.args...)
		if err != nil {
			return batch, err
		}
		if d.rows, err = result.RowsAffected(); err != nil {
			return batch, err
		}
	}
	return batch, tx.Commit()
}

// gather returns first and the deletes queued behind it, in order of arrival.
func (w *sqliteWriter) gather(first *queuedDelete) []*queuedDelete {
	batch := []*queuedDelete{first}
	for len(batch) < sqliteBatch && len(w.queue) > 0 {
		batch = append(batch, <-w.queue) // does not block, because only the writer receives
	}
	now := time.Now()
	for _, d := range batch {
		w.wait.Add(int64(now.Sub(d.queued)))
	}
	w.waits.Add(int64(len(batch)))
	return batch
}
