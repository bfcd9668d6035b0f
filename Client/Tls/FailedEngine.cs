using Masquerade.Auth.Peer;

namespace Masquerade.Client.Tls;

/// <summary>A TLS client that could not be made: it says why, and no more.</summary>
internal sealed class FailedEngine(string detail) : ITlsEngine
{
    public TlsEngineState State => TlsEngineState.Failed;

    public EapPeerFailure Failure => EapPeerFailure.Tls;

    public string Detail => detail;

    public bool IsTls13 => false;

    public bool IsResumed => false;

    public int Pending => 0;

    public void Begin()
    {
        // There is nothing to begin with.
    }

    public void Receive(ReadOnlySpan<byte> octets)
    {
        // Nor to go on with.
    }

    public int Drain(Span<byte> destination) => 0;

    public int Read(Span<byte> plain) => 0;

    public bool Write(ReadOnlySpan<byte> plain) => false;

    public bool TryExport(string label, ReadOnlySpan<byte> context, Span<byte> material) => false;

    public void Conclude(bool isGood)
    {
        // It has no session to keep.
    }

    public void Dispose()
    {
        // It has nothing.
    }
}
