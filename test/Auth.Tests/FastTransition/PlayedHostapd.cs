using Masquerade.Auth.FastTransition;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Tests.FastTransition;

/// <summary>
/// The other side, as hostapd 2.10 does it: with one wildcard R0KH it asks where the numbers are and for the key at once, both by broadcast, and takes an answer only with a number that it can place.
/// </summary>
internal sealed class PlayedHostapd(byte[] key, string address = "02:00:00:00:0b:01")
{
    private readonly RrbSequence _heard = new();
    private MacAddress _holder = MacAddress.Broadcast;
    private byte[] _sequenceNonce = [];
    private uint _number = 0xFFFF_FFFE;

    public MacAddress Address { get; } = MacAddress.Parse(address);

    public uint Domain { get; set; } = 77;

    public byte[] R0 { get; set; } = "ap1.example"u8.ToArray();

    /// <summary>Frames that it has sent and nobody has taken yet.</summary>
    public Queue<byte[]> Out { get; } = new();

    /// <summary>Answers that were taken: the sealed fields.</summary>
    public List<byte[]> Answers { get; } = [];

    /// <summary>A client turns to it.</summary>
    public byte[] Pull(MacAddress client, byte[] name, byte[] nonce, Instant now)
    {
        if (_holder.IsGroup)
        {
            _sequenceNonce = [.. Enumerable.Repeat((byte)0x51, 16)];
            Out.Enqueue(Frame(RrbType.SequenceRequest, _sequenceNonce, null, [], now));
        }

        var secret = new List<byte>();
        RrbFrame.Append(secret, RrbField.PmkR0Name, name);
        RrbFrame.Append(secret, RrbField.Client, Octets(client));
        var frame = Frame(RrbType.Pull, nonce, _number++, [.. secret], now);
        Out.Enqueue(frame);
        return frame;
    }

    public void Take(ReadOnlySpan<byte> frame, Instant now)
    {
        Assert.True(RrbFrame.TryParse(frame, out var rrb));
        Assert.True(rrb.TryOpen(key, out var fields));
        Assert.Equal(Address, rrb.Destination);
        Assert.True(RrbFrame.TryFind(rrb.Clear, RrbField.Nonce, 16, out var nonce));
        Assert.True(RrbFrame.TryFind(rrb.Clear, RrbField.R0Holder, out var r0) && r0.SequenceEqual(R0));
        Assert.True(RrbFrame.TryFind(rrb.Clear, RrbField.R1Holder, out var r1) && r1.SequenceEqual(Octets(Address)));
        switch (rrb.Type)
        {
            case RrbType.SequenceRequest:
                Out.Enqueue(Frame(RrbType.SequenceResponse, nonce.ToArray(), _number++, [], now));
                break;
            case RrbType.SequenceResponse:
                Assert.Equal(_sequenceNonce, nonce.ToArray());
                Assert.True(RrbFrame.TryFind(rrb.Clear, RrbField.Sequence, RrbSequence.Length, out var where));
                _heard.Learn(where, now);
                _holder = rrb.Source;
                break;
            case RrbType.Response:
                Assert.True(RrbFrame.TryFind(rrb.Clear, RrbField.Sequence, RrbSequence.Length, out var sequence));
                Assert.Equal(RrbSequence.Verdict.New, _heard.Check(sequence, now));
                _heard.Take(sequence);
                Answers.Add(fields);
                break;
            default:
                Assert.Fail($"hostapd is not sent {rrb.Type}");
                break;
        }
    }

    public byte[] Frame(RrbType type, byte[] nonce, uint? number, byte[] secret, Instant now)
    {
        var clear = new List<byte>();
        RrbFrame.Append(clear, RrbField.Nonce, nonce);
        if (number is { } n)
        {
            var sequence = new byte[RrbSequence.Length];
            RrbSequence.Write(sequence, Domain, n, now);
            RrbFrame.Append(clear, RrbField.Sequence, sequence);
        }

        RrbFrame.Append(clear, RrbField.R0Holder, R0);
        RrbFrame.Append(clear, RrbField.R1Holder, Octets(Address));
        return RrbFrame.Write(_holder, Address, type, clear, secret, key);
    }

    public static byte[] Octets(MacAddress mac)
    {
        var octets = new byte[6];
        mac.WriteTo(octets);
        return octets;
    }
}
