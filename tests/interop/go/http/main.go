// Go's net/http with the common paths: plain (HTTP/1.1, and HTTP/2 with prior knowledge) and TLS (both).
//
//	http -plain FD -tls FD -certificate FILE -key FILE
//
// Each FD is a socket that listens already.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	hint = "</style.css>; rel=preload; as=style"
	body = "body\n"
)

var text = bytes.Repeat([]byte("a line that compresses well\n"), 1000)

func octets(count int) []byte {
	made := make([]byte, count)
	for i := range made {
		made[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return made
}

func number(r *http.Request) int {
	value, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return value
}

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, "hello\n")
}

func echo(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	length, err := io.Copy(hash, r.Body)
	if err != nil {
		return
	}
	fields := [][2]string{{"host", r.Host}}
	for name, values := range r.Header {
		for _, value := range values {
			fields = append(fields, [2]string{strings.ToLower(name), value})
		}
	}
	trailers := [][2]string{}
	for name, values := range r.Trailer {
		for _, value := range values {
			trailers = append(trailers, [2]string{strings.ToLower(name), value})
		}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"method": r.Method, "target": r.RequestURI, "version": r.Proto, "fields": fields,
		"length": length, "sha256": hex.EncodeToString(hash.Sum(nil)), "trailers": trailers,
	})
}

func sized(w http.ResponseWriter, r *http.Request) {
	n := number(r)
	w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n))
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(octets(n)))
}

func zipped(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Write(text)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	packer := gzip.NewWriter(w)
	packer.Write(text)
	packer.Close()
}

func chunked(w http.ResponseWriter, r *http.Request) {
	content := octets(number(r))
	step := max(1, min(len(content)/2, 30_000))
	w.(http.Flusher).Flush()
	for at := 0; at < len(content); at += step {
		w.Write(content[at:min(at+step, len(content))])
		w.(http.Flusher).Flush()
	}
}

func status(w http.ResponseWriter, r *http.Request) {
	n := number(r)
	w.WriteHeader(n)
	if n != 204 && n != 304 {
		fmt.Fprintf(w, "%d\n", n)
	}
}

func redirect(w http.ResponseWriter, r *http.Request) {
	if n := number(r); n > 0 {
		w.Header().Set("Location", fmt.Sprintf("/redirect/%d", n-1))
		w.WriteHeader(302)
	} else {
		hello(w, r)
	}
}

func trailers(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trailer", "X-Checksum")
	w.(http.Flusher).Flush()
	io.WriteString(w, body)
	sum := sha256.Sum256([]byte(body))
	w.Header().Set("X-Checksum", hex.EncodeToString(sum[:]))
}

func earlyHints(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Link", hint)
	w.WriteHeader(103)
	w.Header().Del("Link")
	hello(w, r)
}

func slowHead(w http.ResponseWriter, r *http.Request) {
	seconds := 30.0
	if given := r.URL.Query().Get("after"); given != "" {
		seconds, _ = strconv.ParseFloat(given, 64)
	}
	select {
	case <-r.Context().Done():
	case <-time.After(time.Duration(seconds * float64(time.Second))):
		hello(w, r)
	}
}

func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i, word := range []string{"one", "two", "three"} {
		fmt.Fprintf(w, "event: tick\nid: %d\ndata: %s\n\n", i, word)
		w.(http.Flusher).Flush()
	}
}

func auth(w http.ResponseWriter, r *http.Request) {
	if user, password, ok := r.BasicAuth(); ok && user == "jo" && password == "p4w" {
		io.WriteString(w, "hello jo\n")
		return
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="netkit"`)
	w.WriteHeader(401)
	io.WriteString(w, "who are you?\n")
}

// upgrade hands the connection over after 101 (HTTP/1.1): every octet comes back.
func upgrade(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "echo" {
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(426)
		return
	}
	connection, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		w.WriteHeader(500)
		return
	}
	defer connection.Close()
	io.WriteString(connection, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
	io.Copy(connection, buffered)
}

// reset gives the stream up in the body: RST_STREAM in HTTP/2, a closed connection in HTTP/1.1.
func reset(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "100")
	io.WriteString(w, "part of ")
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// last ends the connection after this answer: GOAWAY in HTTP/2.
func last(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	hello(w, r)
}

// full reads nothing, so that the client that waits for 100 (Continue) gets the final answer at once.
func full(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(413)
	io.WriteString(w, "too much\n")
}

func listener(descriptor int) net.Listener {
	made, err := net.FileListener(os.NewFile(uintptr(descriptor), "listener"))
	if err != nil {
		log.Fatal(err)
	}
	return made
}

func main() {
	plain := flag.Int("plain", 0, "descriptor")
	secured := flag.Int("tls", 0, "descriptor")
	certificate := flag.String("certificate", "", "file")
	key := flag.String("key", "", "file")
	flag.Parse()
	paths := map[string]http.HandlerFunc{
		"/hello": hello, "/echo": echo, "/bytes/{n}": sized, "/gzip": zipped, "/chunked/{n}": chunked,
		"/status/{n}": status, "/redirect/{n}": redirect, "/trailers": trailers, "/early-hints": earlyHints,
		"/slow-head": slowHead, "/sse": events, "/auth/basic": auth,
		"/upgrade": upgrade, "/reset": reset, "/last": last, "/full": full,
	}
	mux := http.NewServeMux()
	for path, handler := range paths {
		mux.HandleFunc(path, handler)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	quiet := log.New(io.Discard, "", 0)
	server := &http.Server{Handler: mux, Protocols: protocols, ErrorLog: quiet}
	go func() { log.Fatal(server.Serve(listener(*plain))) }()
	log.Fatal(server.ServeTLS(listener(*secured), *certificate, *key))
}
