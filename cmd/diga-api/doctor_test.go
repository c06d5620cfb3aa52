package main

import (
	"strings"
	"testing"
	"time"
)

// doctor judges the certificate by its dates.
func TestDoctorExpiredCertificate(t *testing.T) {
	flags := pairIn(t)
	newPair(t, flags, 1)
	c := doctorCommand{serveCommand: serveCommand{tlsFlags: flags}}
	if detail, err := c.examineCertificate(time.Now()); err != nil || !strings.HasPrefix(detail, "good until ") {
		t.Errorf("%q, %v", detail, err)
	}
	for _, now := range []time.Time{time.Now().Add(2 * time.Hour), {}} {
		if _, err := c.examineCertificate(now); err == nil {
			t.Errorf("it is good at %s", now)
		}
	}
}
