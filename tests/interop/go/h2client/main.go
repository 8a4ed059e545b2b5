// A client of HTTP/2, Go's own, against a server of the tests.
//
//	h2client URL ROOT        ROOT is the file of the authority that signed the server's certificate
//
// It sends a large body and gets it back with trailers, and then asks 200 times at once. What is not as it
// should be is said, and the exit code is 1.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
)

const (
	size    = 10 << 20
	streams = 200
)

func fail(words string, values ...any) {
	fmt.Printf(words+"\n", values...)
	os.Exit(1)
}

func main() {
	url, root := os.Args[1], os.Args[2]
	pem, err := os.ReadFile(root)
	if err != nil {
		fail("%v", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2: true,
	}}

	sent := bytes.Repeat([]byte("netkit\x00\xff"), size/8)
	request, _ := http.NewRequest("POST", url+"/echo", io.NopCloser(bytes.NewReader(sent)))
	request.Trailer = http.Header{"Sum": []string{"of the request"}}
	response, err := client.Do(request)
	if err != nil {
		fail("echo: %v", err)
	}
	got, err := io.ReadAll(response.Body)
	if err != nil {
		fail("echo: %v", err)
	}
	if response.ProtoMajor != 2 {
		fail("echo: over %s", response.Proto)
	}
	if sha256.Sum256(got) != sha256.Sum256(sent) {
		fail("echo: %d octets of %d came back", len(got), len(sent))
	}
	if sum := response.Trailer.Get("Sum"); sum != "of the request" {
		fail("echo: the trailer is %q", sum)
	}

	var all sync.WaitGroup
	for number := range streams {
		all.Add(1)
		go func() {
			defer all.Done()
			response, err := client.Get(fmt.Sprintf("%s/%d", url, number))
			if err != nil {
				fail("%d: %v", number, err)
			}
			got, err := io.ReadAll(response.Body)
			if want := fmt.Sprintf("/%d", number); err != nil || string(got) != want {
				fail("%d: %q, %v", number, got, err)
			}
		}()
	}
	all.Wait()

	// The body of a request that is refused is not wanted to its end.
	refused, err := client.Post(url+"/refuse", "text/plain", bytes.NewReader(sent))
	if err != nil {
		fail("refuse: %v", err)
	}
	if refused.StatusCode != 403 {
		fail("refuse: %s", refused.Status)
	}
	fmt.Println("right")
}
