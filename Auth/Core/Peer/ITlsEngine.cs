namespace Masquerade.Auth.Peer;

/// <summary>
/// The seam to a TLS client over memory: octets in, octets out, and the exporter (RFC 5705, RFC 8446 section 7.5). Whoever implements it verifies the server, at least TLS 1.2, before
/// <see cref="State"/> becomes <see cref="TlsEngineState.Established"/>. One authentication each; one thread.
/// </summary>
public interface ITlsEngine : IDisposable
{
    /// <summary>Where it is.</summary>
    TlsEngineState State { get; }

    /// <summary>Why it has failed.</summary>
    EapPeerFailure Failure { get; }

    /// <summary>What there is to say about that, for people; no secret.</summary>
    string Detail { get; }

    /// <summary>Whether it is TLS 1.3, once established.</summary>
    bool IsTls13 { get; }

    /// <summary>Whether it goes on from an earlier session, once established.</summary>
    bool IsResumed { get; }

    /// <summary>Octets that wait to be sent.</summary>
    int Pending { get; }

    /// <summary>Makes the ClientHello.</summary>
    void Begin();

    /// <summary>Takes what the server has sent and goes on. What comes of it is in <see cref="State"/>, <see cref="Pending"/> and <see cref="Read"/>.</summary>
    void Receive(ReadOnlySpan<byte> octets);

    /// <summary>Takes octets that are to be sent; returns how many.</summary>
    int Drain(Span<byte> destination);

    /// <summary>Takes application data that has come; returns how many octets, 0 if there are none.</summary>
    int Read(Span<byte> plain);

    /// <summary>Sends application data; false if that cannot be.</summary>
    bool Write(ReadOnlySpan<byte> plain);

    /// <summary>The exporter.</summary>
    /// <param name="label">In ASCII.</param>
    /// <param name="context">The context; empty for none.</param>
    /// <param name="material">Filled.</param>
    /// <returns>False if it is not established.</returns>
    bool TryExport(string label, ReadOnlySpan<byte> context, Span<byte> material);

    /// <summary>How the authentication ended: after a good one the session may be gone on from next time, after a bad one it is forgotten.</summary>
    void Conclude(bool isGood);
}
