using System.Security.Cryptography;
using System.Text;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Peer;
using Masquerade.Auth.Tests.Keys;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Tests.Peer;

/// <summary>
/// A TLS in words: a message of the server is one octet that says what it is, and text. 'h' goes on with the handshake and is answered with as many octets as the text says, 'f' the same and
/// finishes it, 'd' is application data, 'x' is a failure with an alert.
/// </summary>
internal sealed class FakeTls : ITlsEngine
{
    private static readonly SeededRandom Chance = new(9);
    private readonly Queue<byte> _pending = new();
    private readonly Queue<byte[]> _plain = new();

    public TlsEngineState State { get; private set; }

    public EapPeerFailure Failure { get; private set; }

    public string Detail { get; private set; } = string.Empty;

    public bool IsTls13 { get; init; }

    public bool IsResumed { get; init; }

    public int HelloLength { get; init; } = 100;

    public int Pending => _pending.Count;

    public List<byte[]> Received { get; } = [];

    public List<byte[]> Written { get; } = [];

    public bool? Concluded { get; private set; }

    public bool IsDisposed { get; private set; }

    public static FillRandom Random => span => KeyJudge.Draw(Chance, span.Length).CopyTo(span);

    public static byte[] Export(string label, ReadOnlySpan<byte> context, int length) =>
        HKDF.Expand(HashAlgorithmName.SHA256, new byte[32], length, [.. Encoding.ASCII.GetBytes(label), 0, (byte)length, .. context]);

    public void Begin() => Say(HelloLength);

    public void Receive(ReadOnlySpan<byte> octets)
    {
        Received.Add(octets.ToArray());
        if (octets.IsEmpty || State == TlsEngineState.Failed)
        {
            return;
        }

        switch ((char)octets[0])
        {
            case 'h' or 'f':
                State = octets[0] == 'f' ? TlsEngineState.Established : State;
                Say(ushort.TryParse(Encoding.ASCII.GetString(octets[1..]), System.Globalization.CultureInfo.InvariantCulture, out var length) ? length : 0);
                break;
            case 'd':
                _plain.Enqueue(octets[1..].ToArray());
                break;
            default:
                State = TlsEngineState.Failed;
                Failure = EapPeerFailure.ServerNotTrusted;
                Detail = "a stranger";
                Say(7);
                break;
        }
    }

    public int Drain(Span<byte> destination)
    {
        var length = 0;
        while (length < destination.Length && _pending.TryDequeue(out var octet))
        {
            destination[length++] = octet;
        }

        return length;
    }

    public int Read(Span<byte> plain)
    {
        if (!_plain.TryDequeue(out var octets))
        {
            return 0;
        }

        octets.CopyTo(plain);
        return octets.Length;
    }

    public bool Write(ReadOnlySpan<byte> plain)
    {
        Written.Add(plain.ToArray());
        Say(plain.Length);
        return true;
    }

    public bool TryExport(string label, ReadOnlySpan<byte> context, Span<byte> material)
    {
        Export(label, context, material.Length).CopyTo(material);
        return true;
    }

    public void Conclude(bool isGood) => Concluded = isGood;

    public void Dispose() => IsDisposed = true;

    private void Say(int octets)
    {
        for (var i = 0; i < octets; i++)
        {
            _pending.Enqueue((byte)i);
        }
    }
}
