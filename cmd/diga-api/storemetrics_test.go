package main

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sync/singleflight"
)

// Concurrent scrapes share one check, which ends after a second.
func TestStoreUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mutex sync.Mutex
		checks, response := 0, errors.New("no response")
		metric := storeUp{func(ctx context.Context) error {
			mutex.Lock()
			checks++
			err := response
			mutex.Unlock()
			if err != nil {
				<-ctx.Done()
			}
			return err
		}, new(singleflight.Group)}
		start := time.Now()
		var scrapes sync.WaitGroup
		for range 10 {
			scrapes.Go(func() {
				if up := testutil.ToFloat64(metric); up != 0 {
					t.Errorf("diga_store_up is %v", up)
				}
			})
		}
		scrapes.Wait()
		if checks != 1 || time.Since(start) != time.Second {
			t.Errorf("%d checks in %s", checks, time.Since(start))
		}
		response = nil
		if up := testutil.ToFloat64(metric); up != 1 {
			t.Errorf("diga_store_up is %v", up)
		}
	})
}
