"""The API of InstaVM: sessions with a virtual machine."""
