// A TLS peer for the interoperability tests: Go's crypto/tls as a server or as a client.
//
//	tls server CERT KEY [-ca FILE]      prints its port, answers each connection with what it agreed on, echoes
//	tls server CERT KEY -http           the same in an answer to each request of HTTP
//	tls client ADDRESS NAME CA [-n N]   connects N times with one cache of sessions, prints what was agreed on
//
// -max 10..13 and -min 10..13 bound the version, -group N asks for one group by its IANA number, -cert and -key
// are a client's certificate. What was agreed on is one line of key=value pairs. A server with -ech prints two
// lists of ECHConfig first, in hexadecimal: "ech" with the key that it has, "stale" with one that it has lost.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

const label = "EXPORTER-netkit-interop"

func fail(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func exported(state tls.ConnectionState) string {
	keys, err := state.ExportKeyingMaterial(label, []byte("context"), 32)
	if err != nil {
		return "none"
	}
	return hex.EncodeToString(keys)
}

func told(state tls.ConnectionState) string {
	return fmt.Sprintf(
		"version=%x suite=%s alpn=%s sni=%s resumed=%v ech=%v certificates=%d exported=%s\n",
		state.Version, tls.CipherSuiteName(state.CipherSuite), state.NegotiatedProtocol, state.ServerName,
		state.DidResume, echAccepted(state), len(state.PeerCertificates), exported(state))
}

func main() {
	flags := flag.NewFlagSet("tls", flag.ExitOnError)
	ca := flags.String("ca", "", "the authority of clients")
	cert := flags.String("cert", "", "a client's certificate")
	key := flags.String("key", "", "its key")
	oldest := flags.Int("min", 10, "the oldest version")
	newest := flags.Int("max", 13, "the newest version")
	group := flags.Int("group", 0, "the only group")
	public := flags.String("ech", "", "the public name for encrypted hellos")
	web := flags.Bool("http", false, "a server of HTTP")
	times := flags.Int("n", 1, "how many connections")
	end := 5 // of the arguments that come before the flags
	if os.Args[1] == "server" {
		end = 4
	}
	names := os.Args[2:end]
	fail(flags.Parse(os.Args[end:]))
	pool := func(file string) *x509.CertPool {
		pem, err := os.ReadFile(file)
		fail(err)
		found := x509.NewCertPool()
		found.AppendCertsFromPEM(pem)
		return found
	}
	config := &tls.Config{
		MinVersion: uint16(0x301 + *oldest - 10),
		MaxVersion: uint16(0x301 + *newest - 10),
		NextProtos: []string{"h2", "http/1.1"},
	}
	if *group != 0 {
		config.CurvePreferences = []tls.CurveID{tls.CurveID(*group)}
	}
	if *public != "" {
		encrypt(config, *public)
	}
	if os.Args[1] == "server" {
		serve(config, names, *ca, pool, *web)
		return
	}
	config.ServerName = names[1]
	config.RootCAs = pool(names[2])
	config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	if *cert != "" {
		own, err := tls.LoadX509KeyPair(*cert, *key)
		fail(err)
		config.Certificates = []tls.Certificate{own}
	}
	for i := 0; i < *times; i++ {
		connection, err := tls.Dial("tcp", names[0], config)
		fail(err)
		_, err = connection.Write([]byte("ping"))
		fail(err)
		answer := make([]byte, 4)
		_, err = io.ReadFull(connection, answer)
		fail(err)
		fmt.Print(told(connection.ConnectionState()))
		connection.Close()
	}
}

func serve(config *tls.Config, names []string, ca string, pool func(string) *x509.CertPool, web bool) {
	own, err := tls.LoadX509KeyPair(names[0], names[1])
	fail(err)
	config.Certificates = []tls.Certificate{own}
	if ca != "" {
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.ClientCAs = pool(ca)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	if web {
		answer := func(to http.ResponseWriter, request *http.Request) { fmt.Fprint(to, told(*request.TLS)) }
		fail(http.Serve(tls.NewListener(listener, config), http.HandlerFunc(answer)))
	}
	for {
		below, err := listener.Accept()
		fail(err)
		go func() {
			connection := tls.Server(below, config)
			defer connection.Close()
			if connection.Handshake() == nil {
				connection.Write([]byte(told(connection.ConnectionState())))
				io.Copy(connection, connection)
			}
		}()
	}
}
