using System.Buffers.Binary;
using Masquerade.Core.Time;

namespace Masquerade.Auth.FastTransition;

/// <summary>
/// Which numbers of one sender have been there. A sender draws a domain when it begins and counts up from a number of chance; in which domain it is, and where, it is asked under a nonce, so
/// nobody can have kept the answer from before.
/// </summary>
internal sealed class RrbSequence
{
    /// <summary>Octets of domain, number and time.</summary>
    public const int Length = 12;

    // As hostapd has it: a frame may be so many seconds under way.
    private const uint Late = 10;
    private const int Window = 64;

    private bool _isKnown;
    private uint _domain;
    private uint _highest;
    private ulong _seen;
    private uint _offset;

    /// <summary>What becomes of a frame.</summary>
    public enum Verdict
    {
        /// <summary>It is new.</summary>
        New,

        /// <summary>It has been there, or is too old to tell.</summary>
        Replayed,

        /// <summary>The sender is not known, has begun anew, or its clock has: it is to be asked.</summary>
        Ask,
    }

    /// <summary>Where the sender is, as it has just said.</summary>
    public void Learn(ReadOnlySpan<byte> sequence, Instant now)
    {
        (_isKnown, _domain, _highest, _seen) = (true, Domain(sequence), Number(sequence), 1);
        _offset = Seconds(now) - Time(sequence);
    }

    /// <summary>Judges a frame; nothing changes.</summary>
    public Verdict Check(ReadOnlySpan<byte> sequence, Instant now)
    {
        if (!_isKnown || Domain(sequence) != _domain || (Seconds(now) - _offset) - Time(sequence) + Late > 2 * Late)
        {
            return Verdict.Ask;
        }

        var ahead = (int)(Number(sequence) - _highest);
        return ahead > 0 ? Verdict.New : -(long)ahead >= Window || (_seen & (1UL << -ahead)) != 0 ? Verdict.Replayed : Verdict.New;
    }

    /// <summary>Takes a number that <see cref="Check"/> has let through and whose frame is genuine.</summary>
    public void Take(ReadOnlySpan<byte> sequence)
    {
        var ahead = (int)(Number(sequence) - _highest);
        if (ahead > 0)
        {
            _seen = ahead >= Window ? 0 : _seen << ahead;
            _highest = Number(sequence);
            ahead = 0;
        }

        _seen |= 1UL << -ahead;
    }

    /// <summary>Writes a number of our own.</summary>
    public static void Write(Span<byte> sequence, uint domain, uint number, Instant now)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(sequence, domain);
        BinaryPrimitives.WriteUInt32LittleEndian(sequence[4..], number);
        BinaryPrimitives.WriteUInt32LittleEndian(sequence[8..], Seconds(now));
    }

    private static uint Domain(ReadOnlySpan<byte> sequence) => BinaryPrimitives.ReadUInt32LittleEndian(sequence);

    private static uint Number(ReadOnlySpan<byte> sequence) => BinaryPrimitives.ReadUInt32LittleEndian(sequence[4..]);

    private static uint Time(ReadOnlySpan<byte> sequence) => BinaryPrimitives.ReadUInt32LittleEndian(sequence[8..]);

    private static uint Seconds(Instant now) => (uint)(now.Nanoseconds / 1_000_000_000);
}
