"""How a client asks: as whom, through which proxy, and whether again. Nothing here opens a socket."""
