namespace Masquerade.Core.Control;

/// <summary>
/// Numbers of what coordinators push. The upper bits stand for the life of the coordinator that decided it, so that an answer finds back to it by way of any other; the lower
/// bits count. Only numbers of one life have an order.
/// </summary>
public static class PushId
{
    private const int LifeBits = 24;
    private const int Shift = 64 - LifeBits;

    /// <summary>The number before a life's first one.</summary>
    /// <param name="life">The life of a coordinator; 0 where there is only one.</param>
    public static ulong Before(ulong life) => life << Shift;

    /// <summary>What a number tells of its coordinator's life: the life's lowest 24 bits.</summary>
    public static ulong LifeOf(ulong id) => id >> Shift;

    /// <summary>What numbers tell of a life.</summary>
    public static ulong Mark(ulong life) => LifeOf(Before(life));

    /// <summary>Whether a number is known to have been given after another one: it has the same life and is higher.</summary>
    public static bool IsLater(ulong id, ulong than) => id > than && LifeOf(id) == LifeOf(than);
}
