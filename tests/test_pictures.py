"""One picture of any kind is read as it looks, or gets a sentence."""
import importlib.util
import io
import logging
import os
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from minivae.extras.images import pictures
from minivae.extras.images.pictures import read_picture, white_of

rng = np.random.default_rng(0)


# ---- all that Pillow reads well --------------------------------------------

@pytest.mark.parametrize("mode, colour, want", [
    ("RGBA", (200, 0, 0, 0), (255, 255, 255)),      # clear: on white
    ("RGBA", (200, 0, 0, 255), (200, 0, 0)), ("RGB", (1, 2, 3), (1, 2, 3)),
    ("P", 3, None), ("1", 1, (255, 255, 255)), ("1", 0, (0, 0, 0)),
    ("LA", (9, 255), (9, 9, 9)), ("LA", (9, 0), (255, 255, 255)),
    ("L", 77, (77, 77, 77)), ("I;16", 200 * 257, (200, 200, 200))])
def test_every_kind_of_png(tmp_path, mode, colour, want):
    Image.new(mode, (8, 9), colour).save(tmp_path / "a.png")
    image = read_picture(tmp_path / "a.png", white=65535).colours
    assert image.shape == (9, 8, 3) and image.dtype == np.uint8
    assert want is None or tuple(image[0, 0]) == want


@pytest.mark.parametrize("mode, colour, want", [
    ("CMYK", (0, 255, 255, 0), (255, 0, 0)), ("I;16", 4095, (16, 16, 16)),
    ("I;16B", 65535, (255, 255, 255)), ("I", 32768, (128, 128, 128)),
    ("F", 65535.0, (255, 255, 255)), ("1", 1, (255, 255, 255)),
    ("RGBA", (9, 9, 9, 0), (255, 255, 255))])
def test_every_kind_of_tiff(tmp_path, mode, colour, want):
    Image.new(mode, (8, 8), colour).save(tmp_path / "a.tif")
    image = read_picture(tmp_path / "a.tif", white=65535).colours
    np.testing.assert_allclose(image[3, 4], want, atol=1)


@pytest.mark.parametrize("kind", ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF",
                                  "WEBP"])
def test_the_name_may_tell_another_format(tmp_path, kind):
    Image.new("RGB", (8, 8), (200, 200, 200)).save(tmp_path / "a.png", kind)
    image = read_picture(str(tmp_path / "a.png")).colours
    np.testing.assert_allclose(image, 200, atol=1)


def test_a_format_that_runs_programs_is_not_opened(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", "EPS")    # Ghostscript
    with pytest.raises(ValueError, match="in none of the formats BMP, GIF, "):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("clear", [0, bytes([0, 255])])
def test_a_palette_may_have_clear_colours(tmp_path, clear):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.paste(0, (0, 0, 4, 8))
    image.save(tmp_path / "a.png", transparency=clear)
    colours = read_picture(tmp_path / "a.png").colours
    assert colours[0, 0].tolist() == [255, 255, 255]
    assert colours[0, 7].tolist() == [10, 20, 30]


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_of_many_frames_the_first_counts(tmp_path, kind):
    frames = [Image.new("L", (8, 8), grey) for grey in (40, 250)]
    frames[0].save(tmp_path / "a", kind, save_all=True, lossless=True,
                   append_images=frames[1:])
    picture = read_picture(tmp_path / "a")
    np.testing.assert_allclose(picture.colours, 40, atol=1)
    assert picture.moves
    frames[0].save(tmp_path / "a", kind)
    assert not read_picture(tmp_path / "a").moves


# ---- more than eight bits --------------------------------------------------

@pytest.mark.parametrize("highest, white", [
    (1, 1), (200, 255), (256, 1023), (4095, 4095), (4096, 16383),
    (16384, 65535), (100_000, 100_000)])
def test_white_is_the_lowest_that_is_high_enough(tmp_path, highest, white):
    values = np.zeros((8, 8), np.int32)
    values[2, 3] = highest
    Image.fromarray(values).save(tmp_path / "a.tif")
    Image.new("L", (8, 8), 255).save(tmp_path / "b.png")        # has 8 bits
    (tmp_path / "c.png").write_bytes(b"damaged")
    paths = [tmp_path / name for name in ("a.tif", "b.png", "c.png")]
    assert white_of(paths) == white
    colours = read_picture(paths[0]).colours
    assert colours[2, 3, 0] == round(255 * highest / white)
    colours = read_picture(paths[0], white=2 * white).colours
    assert colours[2, 3, 0] == round(255 * highest / white / 2)


def test_floats_in_a_tiff_go_from_0_to_1(tmp_path):
    Image.new("F", (8, 8), 0.2).save(tmp_path / "a.tif")
    assert (read_picture(tmp_path / "a.tif").colours == 51).all()


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_floats_that_are_no_grey(tmp_path, value):
    values = np.zeros((8, 8), np.float32)
    values[1, 2] = value
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="its pixels go from .* to .*, but 0 "
                       "or more were expected"):
        read_picture(tmp_path / "a.tif")
    assert white_of([tmp_path / "a.tif"]) == 1


# ---- how it is held --------------------------------------------------------

def turned(folder, damage=lambda exif: exif):
    """A photo, 16 x 8, that is to be turned by a quarter."""
    image = Image.fromarray(np.arange(8, dtype="u1")[:, None].repeat(16, 1))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010f], exif[0x011a] = "a camera", 72.0
    content = damage(exif.tobytes())
    image.save(folder / "a.jpg", exif=content)
    return folder / "a.jpg"


def test_a_turned_photo_stands_upright(tmp_path):
    picture = read_picture(turned(tmp_path))
    assert picture.colours.shape == (16, 8, 3) and not picture.warnings


@pytest.mark.parametrize("seed", range(40))
def test_damaged_exif_is_no_damaged_picture(tmp_path, seed, capfd):
    rng = np.random.default_rng(seed)

    def damage(exif):
        exif = bytearray(exif)
        for place in rng.integers(6, len(exif), 1 + seed // 10):
            exif[place] = rng.integers(256)
        return bytes(exif[:rng.integers(12, len(exif))] if seed % 2 else exif)
    path = turned(tmp_path, damage)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")     # before it is opened
            Image.open(path).load()
    except Exception:
        pytest.skip("this Pillow cannot read it")
    image = read_picture(path).colours
    assert image.shape in ((8, 16, 3), (16, 8, 3))
    assert capfd.readouterr().err == ""


def test_what_pillow_says_comes_back(tmp_path, capfd):
    picture = read_picture(turned(tmp_path, lambda exif: exif[:-20]))
    assert len(picture.warnings) >= 1 and picture.colours.size
    # a tag that Pillow reads, but cannot write again
    picture = read_picture(turned(tmp_path, lambda exif: exif.replace(
        b"\1\x1a\0\5", b"\1\x2d\0\5")))
    assert "its EXIF data are damaged" in picture.warnings[0]
    assert picture.colours.size
    logging.getLogger("PIL.TiffImagePlugin").error("of no interest")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("mode, colour, want", [
    ("L", 1, 255), ("L", 200, 200), ("RGB", (10, 20, 61), 30),
    ("I;16", 4095, 255), ("RGBA", (9, 9, 9, 0), 255)])
def test_generate_reads_them_as_training_does(tmp_path, mode, colour, want,
                                              invert):
    Image.new(mode, (8, 8), colour).save(tmp_path / "a.png")
    path = Path(__file__).parent.parent / "demos" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    vae = SimpleNamespace(likelihood="continuous")
    args = SimpleNamespace(image_shape=(8, 8, 1), invert=invert)
    image = demo.a_picture(args, vae, tmp_path / "a.png")
    assert (image == (want if invert else 255 - want)).all()
    assert image.shape == (8, 8, 1) and image.dtype == np.uint8


# ---- what is wrong ---------------------------------------------------------

def png_of(width, height):
    """A PNG file that claims a size."""
    def chunk(kind, content):
        return (len(content).to_bytes(4, "big") + kind + content
                + zlib.crc32(kind + content).to_bytes(4, "big"))
    head = (width.to_bytes(4, "big") + height.to_bytes(4, "big")
            + bytes([8, 0, 0, 0, 0]))
    rows = zlib.compress(bytes((width + 1) * min(height, 100)))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows)
            + chunk(b"IEND", b""))


@pytest.mark.parametrize("width, height", [
    (10_001, 10_000), (12_000, 12_000), (20_000, 20_000), (10 ** 6, 10 ** 6)])
def test_a_bomb_is_not_unpacked(tmp_path, width, height):
    """In a process without pytest, whose warnings are errors."""
    (tmp_path / "bomb.png").write_bytes(png_of(width, height))
    done = subprocess.run([sys.executable, "-c", f"""
from PIL import ImageFile
from minivae.extras.images.pictures import read_picture
ImageFile.ImageFile.load = lambda self: print("it is decoded")
try:
    read_picture({str(tmp_path / "bomb.png")!r})
except ValueError as error:
    print(error)
"""], capture_output=True, text=True)
    assert done.stderr == ""
    assert "bomb.png cannot be read as a picture (" in done.stdout
    assert " pixels" in done.stdout and "decoded" not in done.stdout


def test_a_large_photo_is_not_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)
    monkeypatch.setattr(pictures, "PIXELS", 100)
    Image.new("L", (10, 10), 9).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")        # Pillow has its doubts
    assert (picture.colours == 9).all() and picture.warnings
    Image.new("L", (10, 11), 9).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="its 10 x 11 pixels are more than "
                       "100"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("content", [
    b"", b"?", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM" * 50,
    b"II*\0" * 9, b"RIFF....WEBPVP8 ", b"P6 8 8 255\n", png_of(0, 8),
    png_of(8, 8)[:45], png_of(8, 8).replace(b"IDAT", b"IDAA")])
def test_damage_gets_a_sentence(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_picture(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path} cannot be read as a picture (")
    assert sentence.endswith("); remove or replace it")
    assert "\n" not in sentence and sentence.count(str(path)) == 1


@pytest.mark.parametrize("kind", ["GIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_any_damage_at_all(tmp_path, kind, capfd):
    """Bytes are changed or cut off: a picture, or a sentence."""
    content = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(
        content, kind)
    for trial in range(60):
        damaged = bytearray(content.getvalue())
        for place in rng.integers(0, len(damaged), 3):
            damaged[place] = rng.integers(256)
        (tmp_path / "a").write_bytes(damaged[:rng.integers(len(damaged))]
                                     if trial % 3 == 0 else damaged)
        try:
            read_picture(tmp_path / "a", (8, 8))
        except ValueError as error:
            assert "remove or replace it" in str(error)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", ["group4", "tiff_lzw"])
def test_a_damaged_tiff_is_not_taken_for_good(tmp_path, kind, capfd):
    """libtiff prints what is wrong, and goes on with garbage."""
    pixels = np.random.default_rng(0).integers(0, 2, (300, 300), dtype="u1")
    path = tmp_path / "a.tif"
    Image.fromarray(255 * pixels).convert("1").save(path, compression=kind)
    assert not read_picture(path).warnings
    content = bytearray(path.read_bytes())
    for i in range(60, len(content) - 400, 97):
        content[i] ^= 0xff
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a.tif cannot be read as a picture "
                       r"\((libtiff: Fax4Decode|decoder error|-2)"):
        read_picture(path)
    os.write(2, b"this is seen")
    assert capfd.readouterr().err == "this is seen"


def test_what_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="none.png does not exist; name a PN"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(ValueError, match="is no file"):
        read_picture(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")              # nobody will write to it
        with pytest.raises(ValueError, match="is no file"):
            read_picture(tmp_path / "pipe.png")


def test_no_memory_is_no_damage(tmp_path, monkeypatch):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")

    def full(*args):
        raise MemoryError
    monkeypatch.setattr(pictures.ImageOps, "fit", full)
    with pytest.raises(MemoryError):
        read_picture(tmp_path / "a.png", (8, 8))
