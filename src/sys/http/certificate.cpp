// SPDX-License-Identifier: Apache-2.0
#include "sys/http/certificate.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <optional>

namespace yoda {

namespace {

template <class T, auto Free>
struct Freed {
    void operator()(T* pointer) const { Free(pointer); }
};
using Bio = std::unique_ptr<BIO, Freed<BIO, BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509, X509_free>>;

std::optional<std::int64_t> unix_time(ASN1_TIME const* time)
{
    std::tm parts{};
    if (!time || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
    return static_cast<std::int64_t>(::timegm(&parts));
}

std::string subject_of(X509 const* certificate)
{
    char* const text = X509_NAME_oneline(X509_get_subject_name(certificate), nullptr, 0);
    std::string subject = text ? text : "";
    OPENSSL_free(text);
    return subject;
}

}  // namespace

Result<std::vector<CertificateInfo>> read_certificates(std::string_view pem)
{
    auto const broken = [](std::string why) {
        return Error{ErrorKind::bad_input, "certificate cannot be read", std::move(why), {}};
    };
    Bio const bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    if (!bio) return broken("no memory");
    std::vector<CertificateInfo> certificates;
    while (X509Ptr const certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
        auto const from = unix_time(X509_get0_notBefore(certificate.get()));
        auto const until = unix_time(X509_get0_notAfter(certificate.get()));
        if (!from || !until) return broken("it has no readable dates");
        CertificateInfo info;
        info.subject = subject_of(certificate.get());
        info.valid_from_unix_s = *from;
        info.valid_until_unix_s = *until;
        info.is_proxy = (X509_get_extension_flags(certificate.get()) & EXFLAG_PROXY) != 0;
        info.is_limited = info.subject.ends_with("/CN=limited proxy");
        certificates.push_back(std::move(info));
    }
    // The usual end is "no start line"; anything else means that a certificate was damaged.
    auto const reason = ERR_GET_REASON(ERR_peek_last_error());
    ERR_clear_error();
    if (reason != PEM_R_NO_START_LINE) return broken("one of its certificates is damaged");
    if (certificates.empty()) return broken("there is none in it");
    return certificates;
}

}  // namespace yoda
