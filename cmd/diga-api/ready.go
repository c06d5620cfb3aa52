package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// readyCommand is a probe for environments that have none over HTTP, such as Compose.
type readyCommand struct {
	AdminAddr string `default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"The --admin-addr of serve; without a host, or with all interfaces, this machine is asked."`
}

// readyTimeout is how long ready waits for the response.
const readyTimeout = 2 * time.Second

// Run asks the server of this machine whether it is ready.
func (c *readyCommand) Run(ctx context.Context, std streams) error {
	var settings invalidSettings
	host, port, _ := net.SplitHostPort(settings.address("admin-addr", c.AdminAddr))
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	if settings == nil && port == "0" {
		settings.reject("admin-addr", "has no port that could be asked")
	}
	if err := settings.err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	url := "http://" + net.JoinHostPort(host, port) + "/readyz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // it uses no proxy, unlike the default
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("no response from %s: %w; is the server running, and is --admin-addr (%s) its address?", url,
			cmp.Or(errors.Unwrap(err), err), variable("admin-addr"))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("read the response of %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", url, response.Status, strings.ReplaceAll(strings.TrimSpace(string(body)), "\n", "; "))
	}
	_, err = std.out.Write(body)
	return err
}
