package server

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// An exchange is a context whose deadline has no timer until somebody waits; nobody can tell from outside.
func TestExchangeIsAContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		outer, abandon := context.WithCancel(context.WithValue(t.Context(), exchangeKey{}, "of another"))
		make := func() *exchange { return &exchange{Context: outer, deadline: start.Add(2 * time.Second)} }

		asked, waited, raced, derived := make(), make(), make(), make()
		child, cancel := context.WithCancel(derived)
		defer cancel()
		if asked.Err() != nil || waited.Err() != nil {
			t.Error("over before it began")
		}
		if deadline, ok := asked.Deadline(); !ok || !deadline.Equal(start.Add(2*time.Second)) {
			t.Errorf("deadline %v, %t", deadline, ok)
		}
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() { <-raced.Done() })
		}
		<-waited.Done()
		group.Wait()
		<-child.Done()
		if passed := time.Since(start); passed != 2*time.Second {
			t.Errorf("it ended after %s", passed)
		}
		for name, x := range map[string]context.Context{"asked": asked, "waited": waited, "raced": raced, "derived": child} {
			if err := x.Err(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
		}
		<-asked.Done() // which nobody waited for in time
		if exchangeOf(asked) != asked {
			t.Error("it does not find itself")
		}

		ended, abandoned, late := make(), make(), make()
		for _, x := range []*exchange{ended, abandoned, late} {
			x.deadline = time.Now().Add(time.Hour)
		}
		ended.Done()
		ended.end()
		if <-ended.Done(); !errors.Is(ended.Err(), context.Canceled) {
			t.Errorf("ended: %v", ended.Err())
		}
		waiting := abandoned.Done()
		abandon()
		<-waiting
		<-late.Done()
		for name, x := range map[string]*exchange{"abandoned": abandoned, "late": late} {
			if !errors.Is(x.Err(), context.Canceled) {
				t.Errorf("%s: %v", name, x.Err())
			}
		}
		sooner, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if deadline, _ := (&exchange{Context: sooner, deadline: time.Now().Add(time.Hour)}).Deadline(); time.Until(deadline) > time.Second {
			t.Errorf("the caller's deadline is sooner than %v", deadline)
		}
	})
}
