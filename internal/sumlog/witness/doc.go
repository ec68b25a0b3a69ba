// Package witness has the trees of a log cosigned by witnesses: others who
// keep the newest tree that they saw of a log, and sign a newer one only if
// the old one is its beginning. Who asks for a few of their signatures cannot
// be shown another tree than everybody else.
//
// The formats and the protocol are those of https://c2sp.org/tlog-checkpoint
// ([Checkpoint], [ParseCheckpoint]), https://c2sp.org/tlog-cosignature
// ([Verifier]; the Ed25519 kind, cosignature/v1) and
// https://c2sp.org/tlog-witness ([Witness]). [Cosigners] asks several
// witnesses for the newest checkpoint of a log, again and again.
//
// What a witness answers is bounded, never followed elsewhere, and believed
// only as far as its signature covers it.
package witness
