// The peer and one of the subjects of benchmarks/tls_probe.py.
//
//	tls_probe serve FOLDER COUNT        serve TLS at COUNT ports of 127.0.0.1, and print them
//	tls_probe probe ROOT CONCURRENCY    probe the endpoints on standard input, and print a JSON line for each
//
// A probe makes a full handshake that verifies the chain and the name, and prints what it agreed on and the
// certificates' names, dates and fingerprints.
package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func serve(folder string, count int) {
	for number := range count {
		path := filepath.Join(folder, fmt.Sprintf("%d.pem", number))
		pair := must(tls.LoadX509KeyPair(path, path))
		config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		listener := must(tls.Listen("tcp", "127.0.0.1:0", config))
		fmt.Println(listener.Addr())
		go func() {
			for {
				conn := must(listener.Accept())
				go func() {
					io.Copy(io.Discard, conn) // the handshake comes with the first read
					conn.Close()
				}()
			}
		}()
	}
	io.Copy(io.Discard, os.Stdin) // until nobody needs it any more
}

type certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Sha256    string    `json:"sha256"`
}

type row struct {
	Input        string        `json:"input"`
	Accepted     bool          `json:"accepted"`
	Protocol     string        `json:"protocol"`
	Cipher       string        `json:"cipher"`
	Certificates []certificate `json:"certificates"`
	Error        string        `json:"error,omitempty"`
}

func look(endpoint string, config *tls.Config) row {
	found := row{Input: endpoint}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", endpoint, config)
	if err != nil {
		found.Error = err.Error()
		return found
	}
	defer conn.Close()
	state := conn.ConnectionState()
	found.Accepted = true
	found.Protocol = tls.VersionName(state.Version)
	found.Cipher = tls.CipherSuiteName(state.CipherSuite)
	for _, one := range state.PeerCertificates {
		digest := sha256.Sum256(one.Raw)
		found.Certificates = append(found.Certificates, certificate{
			one.Subject.String(), one.Issuer.String(), one.DNSNames, one.NotBefore, one.NotAfter,
			hex.EncodeToString(digest[:]),
		})
	}
	return found
}

func probe(root string, concurrency int) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(must(os.ReadFile(root)))
	config := &tls.Config{
		RootCAs: pool, NextProtos: []string{"h2", "http/1.1"}, CurvePreferences: []tls.CurveID{tls.X25519},
	}
	endpoints := make(chan string)
	rows := make(chan row)
	var workers sync.WaitGroup
	for range concurrency {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for endpoint := range endpoints {
				rows <- look(endpoint, config)
			}
		}()
	}
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			endpoints <- lines.Text()
		}
		close(endpoints)
		workers.Wait()
		close(rows)
	}()
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for found := range rows {
		encoder.Encode(found)
	}
	out.Flush()
}

func main() {
	switch {
	case len(os.Args) == 4 && os.Args[1] == "serve":
		serve(os.Args[2], must(strconv.Atoi(os.Args[3])))
	case len(os.Args) == 4 && os.Args[1] == "probe":
		probe(os.Args[2], must(strconv.Atoi(os.Args[3])))
	default:
		fmt.Fprintln(os.Stderr, "usage: tls_probe serve FOLDER COUNT | probe ROOT CONCURRENCY")
		os.Exit(2)
	}
}
