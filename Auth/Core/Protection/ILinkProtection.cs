using Masquerade.Core.Time;

namespace Masquerade.Auth.Protection;

/// <summary>
/// The seam between the handshake, which agrees on keys, and whoever protects the frames of one link with them: <see cref="MacsecChannel"/> in software, or a driver that hands the key
/// to hardware. A driver passes frames through as they are (<see cref="Overhead"/> is 0), and keeps the rules for keys: see each member. One thread.
/// </summary>
public interface ILinkProtection : IDisposable
{
    /// <summary>How many octets longer a frame gets at most.</summary>
    int Overhead { get; }

    /// <summary>Whether frames can be sent.</summary>
    bool IsProtecting { get; }

    /// <summary>Whether the packet numbers of either end are so far gone that it is time for a new handshake.</summary>
    bool WantsNewKey { get; }

    /// <summary>When <see cref="Advance"/> has something to do.</summary>
    Instant NextDeadline { get; }

    /// <summary>
    /// Takes a key into use for receiving. The key before stays, for receiving too, until the other end has used the new one and a short time has gone by.
    /// A key that has the same number as an older one takes its place at once. The same key again changes nothing, and no counter of a key ever goes back (KRACK).
    /// </summary>
    /// <param name="key">TK: 16 octets, not all zero. The caller zeroes its copy.</param>
    /// <param name="association">Who sends, and under which number.</param>
    KeyInstall Install(ReadOnlySpan<byte> key, in LinkAssociation association);

    /// <summary>Sends under this key from now on: the other end has it. False if it is not installed. Again for the key in use: nothing happens.</summary>
    bool StartTransmit(byte keyNumber);

    /// <summary>Protects an Ethernet frame that is to go out.</summary>
    /// <param name="frame">From the destination address on, without a check sequence.</param>
    /// <param name="output">At least <see cref="Overhead"/> octets longer; may not overlap.</param>
    /// <param name="written">Octets written; 0 if dropped.</param>
    /// <returns>Why it must not be sent, or <see cref="ProtectionDrop.None"/>.</returns>
    ProtectionDrop Protect(ReadOnlySpan<byte> frame, Span<byte> output, out int written);

    /// <summary>Checks an Ethernet frame that has come in, and takes the protection off.</summary>
    /// <param name="frame">From the destination address on, without a check sequence.</param>
    /// <param name="output">As long as the frame is enough; may not overlap. Zeroed where anything of a forged frame was written.</param>
    /// <param name="now">The time.</param>
    /// <param name="written">Octets written; 0 if dropped.</param>
    /// <returns>Why nothing of it must be used, or <see cref="ProtectionDrop.None"/>.</returns>
    ProtectionDrop Validate(ReadOnlySpan<byte> frame, Span<byte> output, Instant now, out int written);

    /// <summary>Does what is due: keys that have had their time are zeroed.</summary>
    void Advance(Instant now);
}
