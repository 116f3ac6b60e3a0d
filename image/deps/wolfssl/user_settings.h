/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wolfSSL settings of the appliance. The library and its users are compiled with -DWOLFSSL_USER_SETTINGS. */
#ifndef STOPPER_USER_SETTINGS_H
#define STOPPER_USER_SETTINGS_H
/* platform */
#define HAVE_LIMITS_H   1
#define HAVE_C___ATOMIC 1
#define WOLFSSL_HAVE_ATOMIC_H
#define HAVE_THREAD_LS
#define HAVE___UINT128_T 1
#define HAVE_GETPID      1
/* Without it each WOLFSSL opens /dev/urandom, which fails in a jail or without descriptors. */
#define HAVE_GETRANDOM   1
#ifdef STOPPER_WOLFSSL_FALLBACK
#define WOLFSSL_GETRANDOM /* 5.7.2's name for it */
#endif
#define HAVE_GETADDRINFO 1
#define HAVE_ERRNO_H     1
#define HAVE_ATEXIT      1
#define HAVE_SYS_TIME_H  1
#define HAVE_TIME_H      1
#define HAVE_GMTIME_R    1 /* without it certificate date checks call gmtime(): a data race */
#define SIZEOF_LONG      8
#define SIZEOF_LONG_LONG 8
#define HAVE_PTHREAD     1
#define HAVE_VISIBILITY  1
#define ERROR_QUEUE_PER_THREAD
#define WC_NO_ASYNC_THREADING
#if defined(__x86_64__)
#define WOLFSSL_X86_64_BUILD
#define USE_INTEL_SPEEDUP /* AVX SHA, ChaCha, Poly1305, Curve25519, ML-KEM, chosen at run time by CPUID */
#define WOLFSSL_AESNI
#define WOLFSSL_USE_ALIGN
#define WOLFSSL_SP_X86_64
#define WOLFSSL_SP_X86_64_ASM
#elif defined(__aarch64__)
#define WOLFSSL_AARCH64_BUILD
#define WOLFSSL_ARMASM /* files need -mcpu=generic+crypto; AES/PMULL/SHA2 chosen at run time by HWCAP */
#define WOLFSSL_AARCH64_NO_SQRDMLSH
#define WOLFSSL_SP_ARM64
#define WOLFSSL_SP_ARM64_ASM
#endif
/* math */
#define WOLFSSL_SP_MATH_ALL
#define WOLFSSL_SP_ASM
#define WOLFSSL_SP_LARGE_CODE
#define WOLFSSL_HAVE_SP_RSA
#define WOLFSSL_HAVE_SP_DH
#define WOLFSSL_HAVE_SP_ECC
#define WOLFSSL_SP_4096
#define WOLFSSL_SP_384
#define WOLFSSL_SP_521
#define TFM_TIMING_RESISTANT
#define ECC_TIMING_RESISTANT
#define WC_RSA_BLINDING
/* algorithms */
#define HAVE_HASHDRBG
#define WOLFSSL_SHA224
#define WOLFSSL_SHA384
#define WOLFSSL_SHA512
#define WOLFSSL_SHA3
#define WOLFSSL_SHAKE128
#define WOLFSSL_SHAKE256
#define HAVE_HKDF
#define HAVE_AESGCM
#define GCM_TABLE_4BIT
#define HAVE_CHACHA
#define HAVE_POLY1305
#define HAVE_ECC
#define HAVE_ECC384
#define HAVE_ECC521
#define ECC_SHAMIR
#define ECC_MIN_KEY_SZ 224
#define HAVE_CURVE25519
#define HAVE_ED25519
#define WC_RSA_PSS
#define WOLFSSL_PSS_LONG_SALT
#define HAVE_FFDHE_2048
#define HAVE_DH_DEFAULT_PARAMS
#ifndef STOPPER_WOLFSSL_FALLBACK /* 5.7.2 has no ML-KEM */
#define WOLFSSL_HAVE_MLKEM
#define WOLFSSL_PQC_HYBRIDS
#define WOLFSSL_TLS_NO_MLKEM_STANDALONE
#endif
#define WOLFSSL_BASE64_ENCODE
#define NO_MD4
#define NO_MD5
#define NO_DES3
#define NO_DES3_TLS_SUITES
#define NO_RC4
#define NO_DSA
#define NO_PSK
/* TLS */
#define WOLFSSL_TLS13
#define NO_OLD_TLS
#define HAVE_TLS_EXTENSIONS
#define HAVE_SNI
#define HAVE_ALPN
#define HAVE_SUPPORTED_CURVES
#define HAVE_SESSION_TICKET
#define HAVE_EXTENDED_MASTER
#define HAVE_ENCRYPT_THEN_MAC
#define HAVE_SERVER_RENEGOTIATION_INFO
#define WOLFSSL_EXTRA_ALERTS
#define MAX_CERTIFICATE_SZ 102400 /* also MAX_HANDSHAKE_SZ; default 18459 refuses real chains */
/* X.509 */
#define WOLFSSL_ASN_TEMPLATE
#define WOLFSSL_ALT_CERT_CHAINS
#define WOLFSSL_IP_ALT_NAME
/* The callback sees what was verified and may refuse more: certificates signed with SHA-1 (proxy/tls_kit.c).
 */
#define WOLFSSL_ALWAYS_VERIFY_CB
#define WOLFSSL_HOSTNAME_VERIFY_ALT_NAME_ONLY
#define WOLFSSL_SYS_CA_CERTS
#define WOLFSSL_CERT_GEN
#define WOLFSSL_CERT_EXT
#define WOLFSSL_ALT_NAMES
#define NO_CRYPT_TEST
#endif
