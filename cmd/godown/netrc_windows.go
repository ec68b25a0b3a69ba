package main

// netrcName is what the file of passwords in a home is called.
const netrcName = "_netrc"
