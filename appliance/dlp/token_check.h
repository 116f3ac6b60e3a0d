/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * token_check: what tells a credential from a string of the same shape. Each takes one whole match of a token's
 * expression, however hostile, reads nothing outside of it and allocates nothing.
 */
#ifndef DLP_TOKEN_CHECK_H
#define DLP_TOKEN_CHECK_H

#include <stdbool.h>

#include "core/str.h"

/* Whether a value has x's where its characters should be. */
bool token_is_crossed_out(struct str value);

/* Whether a value is one of those that documentation shows: words such as EXAMPLE, a run or a repetition of few characters,
 * 12345678, or a sample that a vendor prints in its own documentation. */
bool token_is_placeholder(struct str value);

/* ghp_ and npm_: the last six digits are the CRC-32 of the thirty before, in base 62
 * (GitHub, "Behind GitHub's new authentication token formats", 2021; npm took it over). */
bool token_check_crc_base62(struct str match);

/* Matrix, as Synapse makes them: the last six digits are the CRC-32 of what is before the last underscore, in base 62. */
bool token_check_matrix(struct str match);

/* Grafana: the last eight digits are the CRC-32 of what is before the last underscore, little-endian, in hexadecimal
 * (pkg/components/satokengen of Grafana). */
bool token_check_grafana(struct str match);

/* age: Bech32 (BIP 173) of 32 bytes. */
bool token_check_age(struct str match);

/* A JSON Web Token: its header is a JSON object with the member alg (RFC 7515 section 4.1.1). */
bool token_check_jwt(struct str match);

/* A PEM body: DER begins with a SEQUENCE, OpenSSH's format with openssh-key-v1, an encrypted old one with anything. */
bool token_check_pem(struct str match);

/* An armoured OpenPGP secret key: the first octet is the tag of a secret-key packet (RFC 9580 section 5.5.1.3). */
bool token_check_pgp(struct str match);

/* A Discord bot's: the first of its parts is the bot's number in base64. */
bool token_check_discord(struct str match);

/* scheme://user:password@: the password is none of those that documentation uses. */
bool token_check_url(struct str match);

/* password=…; in a connection string: the same. */
bool token_check_sql(struct str match);

/* name = value: the value mixes cases and digits as a generated one does, and no word does. */
bool token_check_assignment(struct str match);

/* The letters are of both cases, as in a random string and rarely in an identifier. */
bool token_check_mixed(struct str match);

/* The same, with a digit. */
bool token_check_mixed_digit(struct str match);

/* sk- and 48 characters that are not OpenAI's, which has a rule of its own. */
bool token_check_not_openai(struct str match);

#endif
