// Go's net/http as a client of a server, whose answers are those of tests/interop/test_http_server.py.
//
//	client -url URL -ca FILE
//
// Any answer that is wrong ends it with an error; otherwise it says how many connections it made.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type said struct {
	Method   string            `json:"method"`
	Target   string            `json:"target"`
	Length   int               `json:"length"`
	Sha256   string            `json:"sha256"`
	Trailers map[string]string `json:"trailers"`
}

var (
	base   = flag.String("url", "", "the server")
	ca     = flag.String("ca", "", "a file of certificates to trust")
	client *http.Client
	dialed atomic.Int64
)

func check(ok bool, format string, args ...any) {
	if !ok {
		log.Panicf(format, args...)
	}
}

func do(request *http.Request) (*http.Response, []byte) {
	response, err := client.Do(request)
	check(err == nil, "%s %s: %v", request.Method, request.URL, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	check(err == nil, "%s %s: %v", request.Method, request.URL, err)
	return response, body
}

func ask(method, path string, body io.Reader, fields ...string) (*http.Response, said) {
	request, err := http.NewRequest(method, *base+path, body)
	check(err == nil, "%v", err)
	for i := 0; i < len(fields); i += 2 {
		request.Header.Set(fields[i], fields[i+1])
	}
	response, octets := do(request)
	var answer said
	if method != "HEAD" {
		check(response.StatusCode == 200, "%s %s: %d", method, path, response.StatusCode)
		check(json.Unmarshal(octets, &answer) == nil, "%q is no JSON", octets)
		check(answer.Method == method && answer.Target == path, "%v", answer)
	}
	return response, answer
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

// A reader of unknown length, so that the body is chunked.
type stream struct{ io.Reader }

func main() {
	log.SetFlags(0)
	flag.Parse()
	transport := &http.Transport{ExpectContinueTimeout: 5 * time.Second, MaxIdleConnsPerHost: 20}
	dialer := &net.Dialer{}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialed.Add(1)
		return dialer.DialContext(ctx, network, address)
	}
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		check(err == nil, "%v", err)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	client = &http.Client{Transport: transport, Timeout: 30 * time.Second}

	for range 100 {
		ask("GET", "/echo?x=y", nil)
	}
	check(dialed.Load() == 1, "%d connections for requests one after another", dialed.Load())

	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		_, answer := ask(method, "/echo", bytes.NewReader(large))
		check(answer.Length == len(large) && answer.Sha256 == sum(large), "%s: %v", method, answer)
		_, answer = ask(method, "/echo", stream{bytes.NewReader(large)})
		check(answer.Length == len(large) && answer.Sha256 == sum(large), "%s chunked: %v", method, answer)
	}
	_, answer := ask("POST", "/echo", bytes.NewReader(large), "Expect", "100-continue")
	check(answer.Length == len(large), "expected: %v", answer)

	request, _ := http.NewRequest("POST", *base+"/echo", stream{strings.NewReader("hello")})
	request.Trailer = http.Header{"X-End": {"here"}}
	_, octets := do(request)
	check(json.Unmarshal(octets, &answer) == nil && answer.Trailers["x-end"] == "here", "%q", octets)

	response, octets := do(must(http.NewRequest("GET", *base+"/trailers", nil)))
	check(string(octets) == "chunked" && response.Trailer.Get("X-End") == "1", "%q %v", octets, response.Trailer)
	response, _ = ask("HEAD", "/echo", nil)
	check(response.ContentLength > 0, "HEAD: %v", response)
	response, octets = do(must(http.NewRequest("GET", *base+"/empty", nil)))
	check(response.StatusCode == 204 && len(octets) == 0, "%v", response)
	_, octets = do(must(http.NewRequest("GET", *base+"/octets/10000000", nil)))
	check(len(octets) == 10_000_000, "%d octets", len(octets))

	// A refusal while the body is still being sent is seen, not a reset.
	refused := must(http.NewRequest("POST", *base+"/refused", stream{bytes.NewReader(bytes.Repeat(large, 4))}))
	response, err := client.Do(refused)
	check(err == nil && response.StatusCode == 413, "a refusal: %v %v", response, err)
	response.Body.Close()

	var group sync.WaitGroup
	for range 20 {
		group.Add(1)
		go func() {
			defer group.Done()
			for range 50 {
				ask("GET", "/echo", nil)
			}
		}()
	}
	group.Wait()

	// A response that breaks off is an error.
	response, err = client.Do(must(http.NewRequest("GET", *base+"/broken", nil)))
	check(err == nil, "%v", err)
	_, err = io.ReadAll(response.Body)
	check(errors.Is(err, io.ErrUnexpectedEOF), "a broken response: %v", err)
	response.Body.Close()
	fmt.Println(dialed.Load())
}

func must(request *http.Request, err error) *http.Request {
	check(err == nil, "%v", err)
	return request
}
