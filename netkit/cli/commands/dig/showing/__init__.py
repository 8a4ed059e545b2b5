"""The forms in which `netkit dig` shows a reply, and what they share with the other forms of asking."""
