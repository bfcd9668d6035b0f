namespace Masquerade.Auth.Protection;

/// <summary>
/// Which packet numbers of one sender under one key have been there. Frames may come late by up to the window, as in IEEE 802.1AE-2018 clause 10.6; within it, unlike there, each number is
/// taken once (as in RFC 4303 section 3.4.3). The bits are a ring of words (RFC 6479).
/// </summary>
internal sealed class ReplayWindow
{
    /// <summary>The largest window.</summary>
    public const int MaxSize = 4_096;

    private const int WordBits = 64;

    private readonly uint _size;
    private readonly ulong _first;
    private readonly ulong[] _seen;

    // One above the highest number that was taken. 64 bits, so that it can stand above the last number.
    private ulong _next;

    public ReplayWindow(int size, uint first)
    {
        _size = (uint)size;
        _first = first;
        _next = first;
        _seen = new ulong[(size / WordBits) + 2];
    }

    /// <summary>One above the highest number that was taken.</summary>
    public ulong Next => _next;

    /// <summary>Whether a number may still come; nothing changes.</summary>
    public ProtectionDrop Check(uint number)
    {
        if (number < _first || number + (ulong)_size < _next)
        {
            return ProtectionDrop.Late;
        }

        return number < _next && (Word(number) & Bit(number)) != 0 ? ProtectionDrop.Replayed : ProtectionDrop.None;
    }

    /// <summary>Takes a number that <see cref="Check"/> has let through and whose frame is genuine.</summary>
    public void Take(uint number)
    {
        if (number >= _next)
        {
            Clear((_next - 1) / WordBits, number / WordBits);
            _next = number + 1UL;
        }

        Word(number) |= Bit(number);
    }

    private static ulong Bit(uint number) => 1UL << (int)(number % WordBits);

    private ref ulong Word(uint number) => ref _seen[number / WordBits % (uint)_seen.Length];

    // The words that numbers have just grown into still have bits of one turn of the ring before.
    private void Clear(ulong last, ulong now)
    {
        if (now - last >= (ulong)_seen.Length)
        {
            Array.Clear(_seen);
            return;
        }

        while (last < now)
        {
            last++;
            _seen[last % (ulong)_seen.Length] = 0;
        }
    }
}
