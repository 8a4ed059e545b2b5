module netkit.test/h2client

go 1.24
