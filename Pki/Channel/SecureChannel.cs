using System.Buffers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Masquerade.Core.Control;
using Masquerade.Pki.Trust;

namespace Masquerade.Pki.Channel;

/// <summary>Whom a connection is meant for.</summary>
/// <param name="Role">What the other end must be.</param>
/// <param name="Names">The names that it may have; any if empty.</param>
/// <param name="Host">The host that was dialled, which the certificate must cover; empty if that does not matter.</param>
public sealed record PeerExpectation(SiteRole Role, IReadOnlyCollection<string> Names, string Host);

/// <summary>
/// A connection on which both ends have shown certificates of the site: TLS 1.3 and nothing older, no resumption (a revoked certificate must not live on in a ticket), no renegotiation.
/// Certificates are judged when the handshake is done, and before anything else passes: so that a refusal can be told to the other end in words, encrypted, as a <see cref="Goodbye"/>.
/// Nobody gets the stream unless both certificates are good.
/// </summary>
public sealed class SecureChannel
{
    /// <summary>The first octet of a TLS handshake record (RFC 8446 section 5.1). A frame of the control protocol begins with 0, because it is shorter than 2^24 octets.</summary>
    public const byte TlsHandshake = 22;

    private const int MostLeftOver = 256 * 1024;

    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(1);

    private SecureChannel(SslStream stream, X509Certificate2 peerCertificate, Judgement judgement)
    {
        Stream = stream;
        PeerCertificate = peerCertificate;
        Judgement = judgement;
    }

    /// <summary>What both ends say from here on.</summary>
    public Stream Stream { get; }

    /// <summary>Who the other end is.</summary>
    public SiteIdentity Peer => Judgement.Identity!.Value;

    /// <summary>Its certificate.</summary>
    public X509Certificate2 PeerCertificate { get; }

    /// <summary>What was found about the certificate.</summary>
    public Judgement Judgement { get; }

    /// <summary>Answers an agent. The time that a handshake may take is the token's to limit.</summary>
    /// <exception cref="ChannelRefusedException">It did not come about; the other end was told if that was possible. The transport is disposed.</exception>
    public static Task<SecureChannel> AcceptAsync(Stream transport, CredentialStore own, PeerExpectation expectation, CancellationToken cancel)
    {
        var credentials = own.Current;
        return OpenAsync(transport, own, expectation, (stream, limit) => stream.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions
            {
                ServerCertificateContext = credentials.Context,
                ClientCertificateRequired = true,
                EnabledSslProtocols = SslProtocols.Tls13,
                CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                CertificateChainPolicy = Policy(credentials),
                AllowTlsResume = false,
                AllowRenegotiation = false,
            },
            limit), cancel);
    }

    /// <summary>Speaks to a coordinator that was dialled.</summary>
    /// <exception cref="ChannelRefusedException">It did not come about; the other end was told if that was possible. The transport is disposed.</exception>
    public static Task<SecureChannel> ConnectAsync(Stream transport, CredentialStore own, PeerExpectation expectation, CancellationToken cancel)
    {
        var credentials = own.Current;
        return OpenAsync(transport, own, expectation, (stream, limit) => stream.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = expectation.Host,
                ClientCertificateContext = credentials.Context,
                EnabledSslProtocols = SslProtocols.Tls13,
                CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                CertificateChainPolicy = Policy(credentials),
                AllowTlsResume = false,
                AllowRenegotiation = false,
            },
            limit), cancel);
    }

    /// <summary>Says a reason on a stream and waits, for a bounded time, until the other end has taken it: a connection that is closed on what it has not read loses its last words.</summary>
    public static async Task SayGoodbyeAsync(Stream stream, string reason)
    {
        using var limit = new CancellationTokenSource(Farewell);
        try
        {
            var frame = new ArrayBufferWriter<byte>();
            var goodbye = new Goodbye { Id = 0, Reason = reason.Length <= ControlLimits.MaxReasonLength ? reason : reason[..ControlLimits.MaxReasonLength] };
            if (!FrameCodec.TryWriteMessage(goodbye, new ArrayBufferWriter<byte>(), frame, out _))
            {
                return;
            }

            await stream.WriteAsync(frame.WrittenMemory, limit.Token).ConfigureAwait(false);
            await FinishAsync(stream, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException or AuthenticationException)
        {
            // It has gone, or does not want to hear it.
        }
    }

    /// <summary>Ends this direction and reads what the other end still says until it ends too, so that nothing that was sent to it gets lost. Bounded in octets, and in time by the token.</summary>
    public static async Task FinishAsync(Stream stream, CancellationToken cancel)
    {
        if (stream is SslStream secured)
        {
            await secured.ShutdownAsync().WaitAsync(cancel).ConfigureAwait(false);
        }
        else if (stream is NetworkStream plain)
        {
            plain.Socket.Shutdown(SocketShutdown.Send);
        }

        var buffer = new byte[4_096];
        for (var left = MostLeftOver; left > 0;)
        {
            var read = await stream.ReadAsync(buffer, cancel).ConfigureAwait(false);
            if (read == 0)
            {
                return;
            }

            left -= read;
        }
    }

    private static async Task<SecureChannel> OpenAsync(
        Stream transport, CredentialStore own, PeerExpectation expectation, Func<SslStream, CancellationToken, Task> handshake, CancellationToken cancel)
    {
        var watched = new FirstOctetStream(transport);
        X509Certificate2? shown = null;
#pragma warning disable CA5359 // Judged below, before anybody gets the stream: here a refusal could be told to the other end as a number only.
        var stream = new SslStream(watched, leaveInnerStreamOpen: false, (_, certificate, _, _) =>
        {
            shown = certificate is null ? null : X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
            return true;
        });
#pragma warning restore CA5359
        try
        {
            await handshake(stream, cancel).ConfigureAwait(false);
            var judgement = Expect(own.Current.Trust.Judge(shown, expectation.Role, own.Now), shown, expectation);
            if (stream.SslProtocol != SslProtocols.Tls13)
            {
                judgement = new Judgement(Refusal.OldProtocol, $"{stream.SslProtocol} was agreed on, only TLS 1.3 is spoken here", judgement.Identity, string.Empty);
            }

            if (judgement.IsGood)
            {
                return new SecureChannel(stream, shown!, judgement);
            }

            await SayGoodbyeAsync(stream, "refused: " + judgement.Reason).ConfigureAwait(false);
            throw new ChannelRefusedException(judgement.Refusal, judgement.Reason);
        }
        catch (Exception e)
        {
            shown?.Dispose();
            await stream.DisposeAsync().ConfigureAwait(false);
            throw e switch
            {
                ChannelRefusedException => e,
                OperationCanceledException => new ChannelRefusedException(Refusal.Timeout, "the TLS handshake took too long"),
                AuthenticationException or IOException or SocketException or ObjectDisposedException or InvalidOperationException => Explain(e, watched.First),
                _ => e,
            };
        }
    }

    private static Judgement Expect(Judgement judgement, X509Certificate2? certificate, PeerExpectation expectation)
    {
        if (!judgement.IsGood)
        {
            return judgement;
        }

        var name = judgement.Identity!.Value.Name.Name!;
        if (expectation.Names.Count > 0 && !expectation.Names.Contains(name, StringComparer.Ordinal))
        {
            return judgement with { Refusal = Refusal.WrongName, Reason = $"the certificate is of {judgement.Identity}, wanted is {string.Join(" or ", expectation.Names)}" };
        }

        if (expectation.Host.Length > 0 && !(CertificateDetails.TryReadNames(certificate!, out var names) && names.Cover(expectation.Host)))
        {
            return judgement with { Refusal = Refusal.WrongName, Reason = $"the certificate of {judgement.Identity} is not for the address {expectation.Host}" };
        }

        return judgement;
    }

    private static X509ChainPolicy Policy(SiteCredentials credentials)
    {
        // The runtime builds a chain before it asks: nothing may be downloaded for that, whatever a certificate names.
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
        foreach (var authority in credentials.Trust.Authorities)
        {
            policy.CustomTrustStore.Add(authority);
        }

        return policy;
    }

    private static ChannelRefusedException Explain(Exception e, int first)
    {
        const byte TlsAlert = 21;
        if (first < 0)
        {
            return new ChannelRefusedException(Refusal.Failed, $"the connection ended before the TLS handshake ({e.Message})");
        }

        if (first is not (TlsHandshake or TlsAlert))
        {
            return new ChannelRefusedException(Refusal.NotTls, first == 0 ? "the other end speaks plain text, here is TLS 1.3" : "the other end does not speak TLS");
        }

        var text = string.Join(": ", Chain(e).Select(x => x.Message).Distinct(StringComparer.Ordinal));
        if (text.Contains("unsupported protocol", StringComparison.OrdinalIgnoreCase) || text.Contains("protocol version", StringComparison.OrdinalIgnoreCase)
            || text.Contains("ProtocolVersion", StringComparison.OrdinalIgnoreCase))
        {
            return new ChannelRefusedException(Refusal.OldProtocol, "the other end does not offer TLS 1.3");
        }

        return text.Contains("TLS alert", StringComparison.OrdinalIgnoreCase)
            ? new ChannelRefusedException(Refusal.RefusedHere, $"the other end refused the TLS handshake: {text}")
            : new ChannelRefusedException(Refusal.Failed, $"the TLS handshake failed: {text}");
    }

    private static IEnumerable<Exception> Chain(Exception e)
    {
        for (var next = e; next is not null; next = next.InnerException)
        {
            yield return next;
        }
    }
}
